//! Other clients, who ask what they know the answer to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use weir_testkit::eventually;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::super::Stage;
use super::BACK_WITHIN;
use crate::gateway::PATIENCE;

/// Whether its clients may meet errors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The fault is none of theirs.
    Undisturbed,
    /// They may be told of it, and come back.
    MayBeTold,
}

/// Clients who ask all the time.
pub(super) struct Crowd {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

struct Shared {
    target: Target,
    fate: Fate,
    ends: AtomicBool,
    answers: Vec<AtomicU64>,
    complaints: Mutex<Vec<String>>,
    /// The last error that anybody was told, and how many there were.
    told: Mutex<(u64, String)>,
}

impl Crowd {
    pub(super) async fn gather(stage: &Stage, size: usize, fate: Fate) -> Self {
        let shared = Arc::new(Shared {
            target: stage.own_target(),
            fate,
            ends: AtomicBool::new(false),
            answers: (0..size).map(|_| AtomicU64::new(0)).collect(),
            complaints: Mutex::default(),
            told: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for number in 0..size {
            clients.spawn(shared.clone().client(number));
        }
        let crowd = Self { shared, clients };
        crowd.goes_on_within(PATIENCE).await;
        crowd
    }

    /// Waits until each of them has been answered twice, the second time a question asked from now on.
    pub(super) async fn goes_on(&self) {
        self.goes_on_within(BACK_WITHIN).await;
    }

    async fn goes_on_within(&self, deadline: std::time::Duration) {
        let so_far: Vec<u64> = self.answers();
        eventually("answers to everybody", deadline, || async {
            let now = self.answers();
            let all = now.iter().zip(&so_far).all(|(now, before)| *now >= before + 2);
            if all {
                Ok(())
            } else {
                let told = self.shared.told.lock().unwrap().clone();
                Err(format!(
                    "{so_far:?} and then {now:?}; {:?}; told {told:?}",
                    self.complaints()
                ))
            }
        })
        .await;
    }

    fn answers(&self) -> Vec<u64> {
        let answers = self.shared.answers.iter();
        answers.map(|count| count.load(Ordering::Relaxed)).collect()
    }

    fn complaints(&self) -> Vec<String> {
        self.shared.complaints.lock().unwrap().clone()
    }

    /// Sends everybody home, and sees that nobody was given a wrong answer or disturbed without need.
    pub(super) async fn go_home(mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        while let Some(ended) = tokio::time::timeout(PATIENCE, self.clients.join_next()).await.unwrap() {
            ended.unwrap();
        }
        assert_eq!(self.complaints(), Vec::<String>::new());
    }
}

impl Shared {
    async fn client(self: Arc<Self>, number: usize) {
        let mut asked = 0;
        while !self.ends.load(Ordering::Relaxed) {
            match Connection::connect(&self.target, ConnectOptions::default()).await {
                Ok(mut client) => self.ask(&mut client, number, &mut asked).await,
                Err(error) => self.told(&format!("could not come in: {error}")),
            }
        }
    }

    /// Asks until an error ends it.
    async fn ask(&self, client: &mut Connection, number: usize, asked: &mut u64) {
        while !self.ends.load(Ordering::Relaxed) && !client.is_broken() {
            *asked += 1;
            let wanted = format!("{number}/{asked}");
            let answer = client.simple_query(&format!("select '{wanted}'")).await;
            match answer.as_deref() {
                Ok([row]) if row.values().next() == Some(Some(wanted.as_str())) => {
                    self.answers[number].fetch_add(1, Ordering::Relaxed);
                }
                Ok(rows) => self.complaints.lock().unwrap().push(format!("{rows:?} for {wanted}")),
                Err(error) => self.told(&error.to_string()),
            }
            // So much each of them asks, and no more, whatever the machine could do.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    fn told(&self, error: &str) {
        let mut told = self.told.lock().unwrap();
        *told = (told.0 + 1, error.to_owned());
        if self.fate == Fate::Undisturbed {
            self.complaints.lock().unwrap().push(error.to_owned());
        }
    }
}
