//! `countersign dev`: a server for this machine alone, ready to try.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use countersign_server::Surface;

use crate::banner::{self, program, quoted};
use crate::config::{Config, Policy, PolicyDefault};
use crate::data_dir::DataDir;
use crate::demo;
use crate::exit::Exit;
use crate::listen::{Address, BindError, bind};
use crate::logging::{self, LogFormat, LogLevel};
use crate::node;
use crate::output::print;

const DATA: &str = ".countersign/dev";
const LISTEN: &str = "127.0.0.1:8080";

/// Start a server for development on this machine
#[derive(Debug, clap::Args)]
pub struct Dev {
    /// Where to listen: a loopback address, or `unix:PATH`; may be repeated
    #[arg(long, value_name = "ADDR", default_value = LISTEN)]
    listen: Vec<Address>,
    /// The folder that holds everything; started again, it has the same keys
    #[arg(long, value_name = "DIR", default_value = DATA)]
    data: PathBuf,
    /// A folder of policies, read again when something in it changes
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// What holds where no policy speaks of a call
    #[arg(long, value_name = "WORD", default_value = "deny", requires = "policies")]
    policy_default: PolicyDefault,
    /// Print one line of JSON when ready, and nothing else
    #[arg(long)]
    json: bool,
    /// How to write logs
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    log_format: LogFormat,
}

impl Dev {
    pub fn run(self) -> Result<Exit> {
        if let Some(open) = self.listen.iter().find(|address| !address.is_local()) {
            bail!(
                "`{open}` can be reached from other machines, and dev mode answers calls without a key: expected a \
                 loopback address such as `{LISTEN}`; `countersign serve` listens anywhere"
            );
        }
        logging::start(self.log_format, LogLevel::Info);
        let data = DataDir::open(&self.data)?;
        let bound = bind(&self.listen).map_err(|why| self.explain(why))?;
        let mut config = Config::of(self.data.clone());
        config.policy = Policy { dir: self.policies.clone(), default: self.policy_default };
        let node = node::start(&data, &config)?;
        let keys = node::runtime()?.block_on(demo::seed(&node.engine, &data))?;
        let greeting = if self.json { banner::line(&bound, &keys)? } else { banner::text(&bound, &keys, &self.data) };
        let surface = Surface::new(Arc::clone(&node.engine), true);
        node::serve(&node, surface, &bound, None, || print(&greeting))?;
        Ok(Exit::Done)
    }

    fn explain(&self, why: BindError) -> anyhow::Error {
        let BindError::Taken { address, free: Some(free) } = why else { return anyhow!(why) };
        let listen =
            self.listen.iter().map(|a| if *a == Address::Tcp(address) { Address::Tcp(free) } else { a.clone() });
        let listen =
            listen.map(|address| format!(" --listen {}", quoted(&address.to_string()))).collect::<Vec<_>>().concat();
        let data =
            (self.data.as_os_str() != DATA).then(|| format!(" --data {}", quoted(&self.data.display().to_string())));
        let json = if self.json { " --json" } else { "" };
        let command = format!("{} dev{listen}{}{json}", program(), data.unwrap_or_default());
        anyhow!("{why}, and port {} is free: run `{command}`", free.port())
    }
}
