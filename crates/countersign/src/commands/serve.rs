//! `countersign serve`: a server for real use, from a configuration file.

mod only;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use countersign_engine::Engine;
use countersign_review::ReviewerConfig;
use countersign_server::Surface;

use crate::config::{ADMIN_KEY_VARIABLE, Config, Deep};
use crate::data_dir::DataDir;
use crate::exit::Exit;
use crate::listen::{BindError, bind};
use crate::logging::{self, LogFormat};
use crate::node;

/// Start a server from a configuration file
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "countersign.toml")]
    config: PathBuf,
    /// A folder of policies, whatever the file says
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// How to write logs, whatever the file says
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Run one tier of the Guardian in this process, and ask the others where the file says they are
    #[arg(long, value_name = "TIER")]
    only: Option<Only>,
}

/// One tier of the Guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// The server itself: it decides and records, keeps no baselines and asks no reviewer
    Fast,
    /// The baselines of agents, for servers to ask about
    Spot,
    /// The reviewer, for servers to ask
    Deep,
}

impl Serve {
    pub fn run(self) -> Result<Exit> {
        let mut config = Config::load(&self.config)?;
        if let Some(dir) = &self.policies {
            config.policy.dir = Some(dir.clone());
        }
        logging::start(self.log_format.unwrap_or(config.log.format), config.log.level);
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        match self.only {
            None => {}
            Some(Only::Fast) => decides_alone(&config)?,
            Some(Only::Spot) => return only::spot(&config).map(|()| Exit::Done),
            Some(Only::Deep) => return only::deep(&config).map(|()| Exit::Done),
        }
        let data = DataDir::open(&config.storage.data_dir)?;
        let bound = bind(&config.addresses()?).map_err(|why| self.explain(why))?;
        let node = node::start(&data, &config)?;
        node::runtime()?.block_on(self.admit(&node.engine, &config))?;
        let urls = bound.urls.join(", ");
        let surface = Surface::new(Arc::clone(&node.engine), false).reached_at(&config.server.public_urls);
        node::serve(&node, surface, &bound, config.server.workers.map(NonZeroUsize::get), || {
            tracing::info!("listening on {urls}");
            Ok(())
        })?;
        Ok(Exit::Done)
    }

    /// Lets the operator's first key in.
    async fn admit(&self, engine: &Engine, config: &Config) -> Result<()> {
        match (engine.root(), config.admin_key().map_err(|why| anyhow!(why))?) {
            (None, None) => bail!(
                "`{}` holds no organisation yet, and no administrator's key was given to make one with; make a key \
                 with `(umask 077; printf 'sk_live_%s' \"$(openssl rand -hex 32)\" > admin.key)`, name the file as \
                 `bootstrap.admin_key_file` in `{}` (or give the key in {ADMIN_KEY_VARIABLE}), and start again",
                config.storage.data_dir.display(),
                self.config.display()
            ),
            (None, Some(key)) => {
                engine.bootstrap_with(&config.bootstrap.organisation, &key).await?;
                tracing::info!("made the organisation `{}` and its administrator's key", config.bootstrap.organisation);
            }
            (Some(_), Some(key)) => engine.adopt_admin_key(&key).await?,
            (Some(_), None) => {}
        }
        Ok(())
    }

    fn explain(&self, why: BindError) -> anyhow::Error {
        match why {
            BindError::Taken { free: Some(free), .. } => {
                anyhow!(
                    "{why}, and port {} is free: change `server.listen` in `{}`",
                    free.port(),
                    self.config.display()
                )
            }
            _ => anyhow!(why),
        }
    }
}

/// Whether the other tiers are in other processes, or are not asked.
fn decides_alone(config: &Config) -> Result<()> {
    let guardian = &config.guardian;
    if guardian.spot.is_none() && !guardian.spot().is_off() {
        bail!(
            "`serve --only fast` keeps no baselines: name the Spot guard's process as `guardian.spot.url`, or set \
             `guardian.risk` and `guardian.detectors` to \"off\""
        );
    }
    let asks = |deep: &Deep| deep.url.is_none() && !matches!(deep.review.reviewer, ReviewerConfig::Human {});
    if guardian.deep.as_ref().is_some_and(asks) {
        bail!(
            "`serve --only fast` asks no reviewer: name the process that does as `guardian.deep.url`, and the reviewer in \
             its configuration"
        );
    }
    Ok(())
}
