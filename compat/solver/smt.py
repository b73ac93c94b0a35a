"""The cvc5 of the Python package index, spoken to as its program is: SMT-LIB on stdin, answers on stdout.

The package holds the solver's library and no program. `countersign policy prove` starts a program, and so
its tests can run wherever a package index can be reached.
"""

import sys

import cvc5


def commands(lines):
    """Each command of `lines`: from a bracket that opens to the one that closes it."""
    text, depth, quote = "", 0, None
    for line in lines:
        if depth == 0 and line.lstrip().startswith(";"):
            continue
        for sign in line:
            if quote:
                quote = None if sign == quote else quote
            elif sign in '"|':
                quote = sign
            else:
                depth += {"(": 1, ")": -1}.get(sign, 0)
        text += line
        if depth == 0 and not quote:
            yield text
            text = ""


class Session:
    """A solver and what was said to it; `(reset)` begins another."""

    def __init__(self, options):
        self.solver = cvc5.Solver(cvc5.TermManager())
        for name, value in options:
            self.solver.setOption(name, value)
        self.symbols = cvc5.SymbolManager(self.solver.getTermManager())
        self.parser = cvc5.InputParser(self.solver, self.symbols)

    def run(self, text):
        """The answers to the commands in `text`."""
        self.parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "stdin")
        while not (command := self.parser.nextCommand()).isNull():
            answer = command.invoke(self.solver, self.symbols)
            yield answer.decode() if isinstance(answer, bytes) else answer


def main(arguments):
    options = [argument.removeprefix("--").split("=", 1) for argument in arguments if "=" in argument]
    session = Session(options)
    for text in commands(sys.stdin):
        if text.strip() == "(reset)":
            session = Session(options)
            continue
        if text.strip() == "(exit)":
            return
        try:
            for answer in session.run(text):
                print(answer, end="", flush=True)
        except RuntimeError as why:
            # As the program does, which ends then.
            print(f'(error "Parse Error: {why}")'.replace("\n", " "), flush=True)
            return


main(sys.argv[1:])
