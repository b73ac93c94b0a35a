//! Which words stand for what, and which of them in a row are an instruction.
//!
//! Words are parted by commas; one that ends in `*` stands for all that begin with
//! it. They are spelt as [`crate::words`] spells them: lower case, no accents.

use crate::finding::Family;
use crate::finding::Severity::{self, Low, Medium};

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Idea {
    Ignore,
    Earlier,
    Regardless,
    IfAsked,
    Instead,
    DeveloperMode,
    Settings,
    Before,
    Everything,
    Instructions,
    Supersede,
    New,
    You,
    Answer,
    No,
    Restrictions,
    Unrestricted,
    UnrestrictedThing,
    Safety,
    Void,
    FreeMode,
    YouAreNow,
    FromNowOn,
    Pretend,
    AiRole,
    Reveal,
    Leak,
    Prompt,
    Send,
    Sensitive,
    ToReader,
    Task,
    Secrecy,
    RealTask,
    HasApproved,
    Authority,
    Skip,
    Checks,
    NoQuestions,
    ForgedGrant,
    Decode,
    Obey,
    EveryReply,
    ToMemory,
    SystemNote,
}

use Idea::{
    AiRole, Answer, Authority, Before, Checks, Decode, DeveloperMode, Earlier, EveryReply, Everything, ForgedGrant,
    FreeMode, FromNowOn, HasApproved, IfAsked, Ignore, Instead, Instructions, Leak, New, No, NoQuestions, Obey,
    Pretend, Prompt, RealTask, Regardless, Restrictions, Reveal, Safety, Secrecy, Send, Sensitive, Settings, Skip,
    Supersede, SystemNote, Task, ToMemory, ToReader, Unrestricted, UnrestrictedThing, Void, You, YouAreNow,
};

/// Every idea with the words for it. English, German, French, Spanish and Italian.
pub(super) const WORDS: &[(Idea, &str)] = &[
    (
        Ignore,
        "ignore, ignoring, disregard*, forget, overlook, neglect, pay no attention to, do not follow, don t \
         follow, stop following, do not obey, set aside, discard, abandon, ignoriere*, ignorieren, vergiss, \
         missachte*, ignorez, ignorer, oublie*, ne tiens pas compte, ne tenez pas compte, ne suis pas, ignora, \
         ignorar, ignores, olvida*, no hagas caso, ignori, ignorate, dimentica*, non seguire, non considerare",
    ),
    (
        Earlier,
        "previous*, prior, above, earlier, preceding, foregoing, existing, original, initial, former, past, \
         system, developer, safety, your, built in, given, vorherige*, vorigen, bisherige*, obige*, fruheren, \
         deine, deinen, ihre, precedent*, anterieur*, ci dessus, tes, vos, anterior*, previas, previos, tus, tue, \
         tuoi, was wir",
    ),
    (Before, "above, before, so far, until now, up to now, said, told, learned, was wir, avant, antes, prima"),
    (Everything, "everything, anything, all, alles, tout, todo, tutto"),
    (
        Instructions,
        "instruction*, rules, guideline*, directive*, prompt, prompts, policy, policies, guidance, programming, \
         constraints, orders, protocols, restrictions, anweisung*, richtlinie*, regeln, vorgaben, instruktion*, \
         consignes, regles, instruccion*, reglas, directrices, istruzion*, regole, linee guida, direttive",
    ),
    (Supersede, "supersede*, override*, overrule*, overwrite*, take precedence over, ersetzen alle, remplacent"),
    (New, "new, updated, revised, neue, nouvelles, nuevas, nuove"),
    (You, "you, du, tu, vous, ihr, te"),
    (
        Answer,
        "answer*, respond*, reply, proceed*, comply, output, speak, act, antworte*, antworten, reponds, repondre, \
         responde, responder, rispondi, rispondere",
    ),
    (No, "no, without, free of, free from, not bound by, keine, keinen, ohne, sans, aucune, sin, senza, nessuna"),
    (
        Restrictions,
        "restriction*, filter, filters, limits, limitation*, rules, content policy, censorship, guardrails, \
         ethic*, moral*, boundaries, regeln, einschrankungen, einschraenkungen, beschrankungen, filtres, limites, \
         regles, restricciones, reglas, filtros, restrizioni, regole, filtri, limiti",
    ),
    (
        Unrestricted,
        "unrestricted, unfiltered, uncensored, unlimited, uneingeschrankt*, sans restriction, sin restricciones, \
         senza restrizioni",
    ),
    (UnrestrictedThing, "mode, assistant, ai, response*, answer*, model, persona, bot, chatbot, modus, modo, modalita"),
    (
        Safety,
        "safety, content policy, content policies, safeguards, guardrails, content filter*, moderation, ethical \
         guidelines, sicherheitsrichtlinien, sicherheitsregeln, reglas de seguridad, regles de securite, \
         consignes de securite, linee guida di sicurezza, usual restrictions",
    ),
    (
        Void,
        "disabled, off, suspended, lifted, no longer appl*, not apply, not meant, do not apply, does not apply, \
         exempt*, waived, void, deactivated, nicht gelten, gelten hier nicht, ne s applique*, no aplican, no se \
         aplican, non valgono, non si applicano",
    ),
    (
        FreeMode,
        "do anything now, do anything ai, you are dan, developer mode enabled, developer mode activated, dan mode, jailbroken, god mode \
         enabled",
    ),
    (
        YouAreNow,
        "you are now, you re now, you are no longer, you will now be, du bist jetzt, tu es maintenant, vous etes \
         maintenant, ahora eres, ora sei, adesso sei",
    ),
    (
        FromNowOn,
        "from now on, from this point, from this moment, ab jetzt, ab sofort, a partir de maintenant, desormais, \
         a partir de ahora, de ahora en adelante, d ora in poi, da ora in poi",
    ),
    (
        Pretend,
        "pretend, act as, acting as, roleplay as, role play as, imagine, simulate, play the role, stell dir vor, \
         tu so als, fais comme si, finge, fingi, actua como, agisci come",
    ),
    (
        AiRole,
        "ai, assistant, chatbot, language model, llm, dan, unrestricted, unfiltered, uncensored, amoral, evil, \
         jailbroken, administrator, root, developer mode, ki, ia",
    ),
    (
        Reveal,
        "reveal*, show, print*, output, repeat, display, dump, leak*, tell me, what is, what are, what was, what \
         were, give me, expose, disclose, share, recite, write out, copy, return, zeige, zeig, gib, verrate, \
         montre*, revele*, affiche*, revela, muestra*, dime, rivela, mostra*, dimmi",
    ),
    (Leak, "reveal*, leak*, dump, exfiltrate*, disclose, expose, steal, output, extract, preis, gib, gibst"),
    (
        Prompt,
        "system prompt, system message, system instructions, hidden prompt, hidden instructions, initial prompt, \
         initial instructions, original prompt, original instructions, secret instructions, developer message, \
         developer prompt, your instructions, your prompt, your guidelines, internal configuration, written \
         above, text above, words above, everything above, system prompts, systemprompt, deine anweisungen, \
         prompt systeme, tes instructions, vos instructions, prompt de sistema, prompt del sistema, instrucciones \
         del sistema, tus instrucciones, prompt di sistema, istruzioni di sistema, tue istruzioni",
    ),
    (
        Send,
        "send*, email, mail, forward*, post, upload*, transmit*, exfiltrate*, deliver, leak*, sende*, schick*, \
         envoie*, envoyez, envia*, manda*, invia*, inoltra*",
    ),
    (
        Sensitive,
        "credential*, passwords, password, api key, api keys, secrets, secret key, access token, access tokens, \
         customer list, customer data*, customer emails, private key, private keys, ssh key, ssh keys, \
         environment variables, user data, conversation history, chat history, internal configuration, internal \
         data, confidential, kundendaten, zugangsdaten, passworter, internen daten, donnees clients, mots de \
         passe, datos de clientes, datos de los clientes, contrasenas, dati dei clienti, credenziali",
    ),
    (
        ToReader,
        "when you read this, when you process this, when reading this, when processing this, before you reply, \
         before you respond, before you answer, before replying, before responding, before answering, after \
         reading this, upon reading, if you are an ai, if you are a language model, ai agents, ai assistants, ai \
         models, ai agent, llm agents, any agent, note to the bot, note to the ai, note to the assistant, note to \
         the agent, note to the model, note to ai, attention ai, dear ai, wenn du dies liest, bevor du \
         antwortest, lorsque vous lisez ceci, avant de repondre, cuando leas esto, antes de responder, quando \
         leggi questo, prima di rispondere",
    ),
    (
        Task,
        "call, use, run, execute, delete*, empty, email, send, forward, first, must, reveal, post, transfer*, \
         invoke, visit, install, upload, ignore, grant, sende*, losche*, envoie*, supprime*, envia, borra, invia, \
         cancella",
    ),
    (
        Secrecy,
        "do not tell the user, don t tell the user, do not mention this, without telling the user, do not inform \
         the user, without informing the user, do not alert the user, hide this from the user, without the user \
         knowing, without the user s knowledge, without notifying the user",
    ),
    (
        RealTask,
        "your real task, your actual task, your true task, your real goal, your true goal, your real objective, \
         your new task, your new objective, your new goal, your only task",
    ),
    (
        HasApproved,
        "has approved, has already approved, has granted, has authorized, has authorised, have approved, already \
         approved, pre approved, preapproved, pre authorized, is clearly authorized, is already authorized, gave \
         permission",
    ),
    (Authority, "user, admin*, manager, owner, operator, supervisor, human, ceo, security team"),
    (
        Skip,
        "skip*, bypass*, omit, disable*, circumvent*, turn off, override*, disregard*, ignore, uberspringe*, \
         contourne*, omite, salta",
    ),
    (
        Checks,
        "confirmation*, approval*, safety checks, safety check, human review, permission check*, guardrail*, \
         verification step*",
    ),
    (
        NoQuestions,
        "without asking again, without asking for confirmation, without asking for approval, without asking for \
         permission, without asking the user, no confirmation needed, no confirmation is needed, no confirmation \
         required, no approval needed, no approval is needed, do not ask for confirmation, don t ask for \
         confirmation, do not ask for approval, do not ask for permission, without further confirmation, without \
         user confirmation",
    ),
    (
        ForgedGrant,
        "grant all requests, grant this user admin, user is an admin, user is an administrator, grant admin \
         access, consider this approved, treat this as approved, this action is approved, this is pre approved, \
         you are authorized to bypass",
    ),
    (Decode, "decode*, decrypt*, deobfuscate, dekodiere*, entschlussele*, decodez, decodifica*"),
    (
        Obey,
        "follow*, obey, execute, do exactly, what it says, carry out, comply, act on it, run it, befolge*, folge, \
         suivez, sigue, segui, esegui",
    ),
    (
        EveryReply,
        "every future reply, every future response, all future replies, all future responses, all future \
         conversations, every response, every reply, every answer, all responses, ende jeder antwort, jeder \
         antwort, toute reponse, chaque reponse, cada respuesta, ogni risposta",
    ),
    (
        ToMemory,
        "save this to your memory, save this note to your memory, store this in your memory, add this to your \
         memory, remember this permanently, persist this, note to self persisted",
    ),
    (
        SystemNote,
        "system override, system alert, admin override, administrator override, systemhinweis, note systeme, nota \
         di sistema, nota del sistema, breach alert, end of user input, end of system prompt, end of prompt",
    ),
    (Regardless, "regardless of, irrespective of, no matter what, ungeachtet, malgre, a pesar de"),
    (IfAsked, "if asked, if you are asked, if you re asked, when asked, if told, if you are told, when told"),
    (Instead, "instead, stattdessen"),
    (DeveloperMode, "developer mode, debug mode, maintenance mode, entwicklermodus, mode developpeur"),
    (
        Settings,
        "blocked responses, blocked strings, blocked modes, allowed modes, allowrefusals, allowapologies, allowdisclaimer",
    ),
];

/// Ideas in a row, with at most so many words between one and the next.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) family: Family,
    pub(super) severity: Severity,
    pub(super) between: usize,
    pub(super) row: &'static [Idea],
}

const fn rule(family: Family, severity: Severity, between: usize, row: &'static [Idea]) -> Rule {
    Rule { family, severity, between, row }
}

/// Every rule.
pub(super) const RULES: &[Rule] = &[
    rule(Family::InstructionOverride, Medium, 3, &[Ignore, Earlier, Instructions]),
    rule(Family::InstructionOverride, Medium, 2, &[Ignore, Everything, Before]),
    rule(Family::InstructionOverride, Medium, 3, &[Supersede, Earlier, Instructions]),
    rule(Family::InstructionOverride, Medium, 2, &[Supersede, Everything, Before]),
    rule(Family::InstructionOverride, Medium, 1, &[New, Instructions, You]),
    rule(Family::InstructionOverride, Low, 1, &[Earlier, New, Instructions]),
    rule(Family::InstructionOverride, Low, 1, &[New, Instructions]),
    rule(Family::InstructionOverride, Medium, 4, &[Regardless, Instructions]),
    rule(Family::InstructionOverride, Medium, 4, &[New, Instructions, FromNowOn]),
    rule(Family::RoleClaim, Medium, 4, &[YouAreNow, AiRole]),
    rule(Family::RoleClaim, Medium, 4, &[FromNowOn, You]),
    rule(Family::RoleClaim, Medium, 4, &[FromNowOn, Answer]),
    rule(Family::RoleClaim, Medium, 4, &[Pretend, AiRole]),
    rule(Family::RestrictionLift, Medium, 3, &[You, No, Restrictions]),
    rule(Family::RestrictionLift, Medium, 3, &[AiRole, No, Restrictions]),
    rule(Family::RestrictionLift, Medium, 2, &[Answer, No, Restrictions]),
    rule(Family::RestrictionLift, Medium, 1, &[Unrestricted, UnrestrictedThing]),
    rule(Family::RestrictionLift, Medium, 6, &[Safety, Void]),
    rule(Family::RestrictionLift, Medium, 4, &[Void, Safety]),
    rule(Family::RestrictionLift, Medium, 3, &[Skip, Safety]),
    rule(Family::RestrictionLift, Medium, 0, &[FreeMode]),
    rule(Family::RestrictionLift, Medium, 4, &[You, DeveloperMode]),
    rule(Family::RestrictionLift, Medium, 0, &[Settings]),
    rule(Family::PromptLeak, Medium, 4, &[Reveal, Prompt]),
    rule(Family::Exfiltration, Medium, 4, &[Send, Sensitive]),
    rule(Family::Exfiltration, Medium, 4, &[Sensitive, Send]),
    rule(Family::Exfiltration, Medium, 3, &[Leak, Sensitive]),
    rule(Family::HiddenTask, Medium, 12, &[ToReader, Task]),
    rule(Family::HiddenTask, Medium, 12, &[Task, ToReader]),
    rule(Family::HiddenTask, Medium, 0, &[Secrecy]),
    rule(Family::HiddenTask, Medium, 12, &[IfAsked, Instead]),
    rule(Family::HiddenTask, Medium, 0, &[RealTask]),
    rule(Family::ApprovalForgery, Low, 3, &[Authority, HasApproved]),
    rule(Family::ApprovalForgery, Medium, 5, &[Skip, Checks]),
    rule(Family::ApprovalForgery, Medium, 0, &[NoQuestions]),
    rule(Family::ApprovalForgery, Medium, 0, &[ForgedGrant]),
    rule(Family::DecodeAndObey, Medium, 8, &[Decode, Obey]),
    rule(Family::Persistence, Low, 0, &[EveryReply]),
    rule(Family::Persistence, Medium, 0, &[ToMemory]),
    rule(Family::TurnMarker, Medium, 0, &[SystemNote]),
];

/// What parts the turns of a conversation, as it is written; upper and lower case are one.
pub(super) const MARKERS: &[(&str, Severity)] = &[
    ("<|im_start|>", Medium),
    ("<|im_end|>", Medium),
    ("<|system|>", Medium),
    ("<|user|>", Medium),
    ("<|assistant|>", Medium),
    ("<|endoftext|>", Medium),
    ("<|eot_id|>", Medium),
    ("<|start_header_id|>", Medium),
    ("<start_of_turn>", Medium),
    ("<<sys>>", Medium),
    ("<</sys>>", Medium),
    ("[inst]", Medium),
    ("[/inst]", Medium),
    ("### system:", Medium),
    ("### instruction:", Medium),
    ("<system>", Low),
    ("</system>", Low),
    ("<thinking>", Low),
    ("\n\nhuman:", Low),
    ("\n\nassistant:", Low),
];
