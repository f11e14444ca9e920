//! The running processes: starting, killing, telling and waiting for them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::ReplayError;
use super::cast::Cast;
use super::ledger::Ledger;
use super::message::{Command, News};
use super::process::{Process, Recipe, Said};
use super::progress::Progress;
use super::relay::Relay;

/// News not yet looked at; players wait when the conductor is slower than they.
const NEWS: usize = 256;
const START_LIMIT: Duration = Duration::from_secs(20);

/// How players are started, apart from who they are.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where stores, logs and replicas go.
    pub dir: PathBuf,
    /// The trace, if not the built-in one.
    pub trace: Option<PathBuf>,
    /// Appends a player awaits at once.
    pub in_flight: usize,
}

/// All players, the wire between them, and what they told.
#[derive(Debug)]
pub struct Stage {
    /// What is known.
    pub ledger: Ledger,
    /// What is shown.
    pub progress: Progress,
    /// The wire: cut at first.
    pub relay: Relay,
    setting: Setting,
    players: Vec<Player>,
    news: mpsc::Receiver<(usize, Said)>,
    /// Cloned for every process.
    for_players: mpsc::Sender<(usize, Said)>,
}

#[derive(Debug, Default)]
struct Player {
    process: Option<Process>,
    address: Option<SocketAddr>,
    /// It is about to end because we want it to.
    ending: bool,
    ended: bool,
}

impl Stage {
    /// Starts all players and waits until their nodes run.
    ///
    /// # Errors
    /// When a process cannot be started or does not come up.
    pub async fn open(cast: Cast, setting: Setting) -> Result<Self, ReplayError> {
        let relay = Relay::open().await.map_err(ReplayError::io("opening the relay"))?;
        let (for_players, news) = mpsc::channel(NEWS);
        let players: Vec<Player> = (0..cast.people()).map(|_| Player::default()).collect();
        let ledger = Ledger::new(cast);
        let progress = Progress::new(&ledger);
        let mut stage = Self { ledger, progress, relay, setting, players, news, for_players };
        for person in 0..stage.players.len() {
            stage.start(person).await?;
        }
        Ok(stage)
    }

    /// Starts a player and waits until its node runs.
    ///
    /// # Errors
    /// When the process cannot be started or does not come up.
    pub async fn start(&mut self, person: usize) -> Result<(), ReplayError> {
        let process = Process::start(&self.recipe(person), self.for_players.clone());
        let process = process.map_err(ReplayError::io("starting a player"))?;
        self.players[person] = Player { process: Some(process), ..Player::default() };
        let ready = |stage: &Self| stage.players[person].address.is_some();
        self.wait_until("a player to come up", START_LIMIT, ready).await
    }

    fn recipe(&self, person: usize) -> Recipe {
        let Setting { dir, trace, in_flight } = &self.setting;
        let name = self.ledger.cast().name(person);
        let mut arguments = vec!["player".to_owned(), format!("--name={name}")];
        arguments.push(format!("--dir={}", dir.join(name).display()));
        arguments.push(format!("--in-flight={in_flight}"));
        arguments.extend(trace.iter().map(|file| format!("--trace={}", file.display())));
        if person > 0 {
            arguments.push(format!("--connect=tcp://{}", self.relay.address()));
        }
        Recipe { person, arguments, log: dir.join(format!("{name}.log")) }
    }

    /// The file a player writes its replica into.
    #[must_use]
    pub fn replica(&self, person: usize) -> PathBuf {
        self.setting.dir.join(format!("{}.replica", self.ledger.cast().name(person)))
    }

    /// Puts the wire back: from now on the others reach the first player.
    pub fn restore_wire(&self) {
        if let Some(address) = self.players[0].address {
            self.relay.restore(address);
        }
    }

    /// Gives a command to a player.
    ///
    /// # Errors
    /// When the player is gone.
    pub async fn tell(&mut self, person: usize, command: &Command) -> Result<(), ReplayError> {
        if matches!(command, Command::Write { .. }) {
            self.ledger.begins_to_write(person);
        }
        let Some(process) = &mut self.players[person].process else { return Ok(()) };
        match process.tell(command).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(person, error.to_string()).await),
        }
    }

    /// Gives a command to all players.
    ///
    /// # Errors
    /// When a player is gone.
    pub async fn tell_all(&mut self, command: &Command) -> Result<(), ReplayError> {
        for person in 0..self.players.len() {
            self.tell(person, command).await?;
        }
        Ok(())
    }

    /// Kills a player hard and hears what it said before it died.
    ///
    /// # Errors
    /// When it does not die, or another one does.
    pub async fn kill(&mut self, person: usize) -> Result<(), ReplayError> {
        self.players[person].ending = true;
        if let Some(process) = &mut self.players[person].process {
            process.kill().await.map_err(ReplayError::io("killing a player"))?;
        }
        let ended = |stage: &Self| stage.players[person].ended;
        self.wait_until("a player to die", START_LIMIT, ended).await?;
        self.ledger.restarts(person);
        Ok(())
    }

    /// Tells all players to quit and checks that they end well.
    ///
    /// # Errors
    /// When one does not.
    pub async fn close(&mut self) -> Result<(), ReplayError> {
        self.players.iter_mut().for_each(|player| player.ending = true);
        self.tell_all(&Command::Quit).await?;
        let ended = |stage: &Self| stage.players.iter().all(|player| player.ended);
        self.wait_until("all players to shut down", START_LIMIT, ended).await?;
        for person in 0..self.players.len() {
            let Some(process) = &mut self.players[person].process else { continue };
            let ended_well = process.ended_well().await.map_err(ReplayError::io("waiting for a player"))?;
            if !ended_well {
                return Err(self.failed(person, "it did not shut down well".into()).await);
            }
        }
        Ok(())
    }

    /// Hears what players say until something holds.
    ///
    /// # Errors
    /// [`ReplayError::TooSlow`] after `limit`; [`ReplayError::Player`] when a player fails or ends
    /// unasked.
    pub async fn wait_until(
        &mut self,
        what: &'static str,
        limit: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<(), ReplayError> {
        let end = Instant::now() + limit;
        while !holds(self) {
            // We hold a sender ourselves: the queue never closes.
            let Ok(Some((person, said))) = timeout_at(end, self.news.recv()).await else {
                return Err(ReplayError::TooSlow { what, limit, state: self.ledger.state() });
            };
            self.hear(person, said).await?;
            self.progress.update(&self.ledger);
        }
        Ok(())
    }

    async fn hear(&mut self, person: usize, said: Said) -> Result<(), ReplayError> {
        let player = &mut self.players[person];
        match said {
            Said::Ended if player.ending => player.ended = true,
            Said::Ended => {
                let ending = match &mut player.process {
                    Some(process) => process.autopsy().await,
                    None => "it never ran".into(),
                };
                return Err(self.failed(person, format!("it ended unexpectedly ({ending})")).await);
            }
            Said::Nonsense(line) => {
                let line: String = line.chars().take(200).collect();
                return Err(self.failed(person, format!("it said {line:?}")).await);
            }
            Said::News(news) => {
                if let News::Ready { address, .. } = &news {
                    player.address = address.trim_start_matches("tcp://").parse().ok();
                }
                if let Err(reason) = self.ledger.note(person, &news) {
                    return Err(self.failed(person, reason).await);
                }
            }
        }
        Ok(())
    }

    async fn failed(&mut self, person: usize, reason: String) -> ReplayError {
        let log = self.players[person].process.as_ref().map(Process::log_end).unwrap_or_default();
        ReplayError::Player { name: self.ledger.cast().name(person), reason, log }
    }
}
