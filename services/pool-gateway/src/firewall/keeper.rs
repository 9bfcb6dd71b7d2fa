//! Keeps the firewall's list in the store, and learns there what other gateways saw and people decided.
//!
//! Nobody waits for it but those who changed the list by a call. Where the store is away, the list goes on from what is
//! known, and what is new is written later. The store is not touched before something has been learned or decided, but
//! looked at: another gateway may have been first.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use weir_config::{DatabaseSettings, Setting as _};
use weir_runtime::{Ground, Stage, StartError, TaskResult};
use weir_store::{Backoff, Migrations, Store, StoreError, StoreOptions, StoreSettings, pause};

use super::Guard;
use super::desk::{Kept, ModeChanges};
use super::list::{Change, Judgement, Shape, Standing};
use super::modes::{ModeSet, Whom};
use super::scope::{Scope, ScopeKey};
use crate::settings::FirewallMode;
use crate::store::{self, ModeRow, ShapeRow, Writing};

/// The schema of the gateway's tables.
pub(crate) const SCHEMA: &str = "weir_gateway";
/// Connections to the store at most.
const CONNECTIONS_MAX: u32 = 2;
/// How often the list is written and read.
const TURN_EVERY: Duration = Duration::from_secs(1);
/// How often it is written how often known shapes were seen.
const COUNTS_EVERY: Duration = Duration::from_secs(30);
/// How often it is looked whether somebody else has made the tables.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often what is old is taken out.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// How long one turn may take.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last one may take, at shutdown.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
/// Rows that are written at once.
const ROWS_MAX: usize = 1_000;
/// The pause after a failure, which doubles from time to time, up to the second.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_CAP: Duration = Duration::from_secs(10);

/// Has the list kept, if the settings want that.
pub(crate) fn start(ground: &Ground, guard: &Arc<Guard>, is_wanted: bool) -> Result<(), StartError> {
    guard.desk.is_served(is_wanted);
    if !is_wanted {
        guard.desk.becomes(Kept {
            is_kept: false,
            reason: "gateway.firewall_store is off".to_owned(),
        });
        return Ok(());
    }
    let (settings, database): (StoreSettings, DatabaseSettings) =
        (ground.sources.section()?, ground.sources.section()?);
    let options = StoreOptions {
        connections_max: CONNECTIONS_MAX,
        ..StoreOptions::from_settings(&settings, &database, SCHEMA)?
    };
    let keeper = Keeper {
        guard: guard.clone(),
        options,
        store: None,
        since: "0".to_owned(),
        looked: None,
        counted: Instant::now(),
        forgot: Instant::now(),
    };
    ground
        .tasks
        .spawn(Stage::Flow, "firewall list", |stop| keeper.run(stop));
    Ok(())
}

struct Keeper {
    guard: Arc<Guard>,
    options: StoreOptions,
    /// Once its tables are there.
    store: Option<Store>,
    /// From this transaction on changes are to be read.
    since: String,
    looked: Option<Instant>,
    counted: Instant,
    forgot: Instant,
}

/// What is being written of one shape. Unless it was, it is to be written again.
struct Taken {
    scope: Arc<Scope>,
    shape: Arc<Shape>,
    judgement: Judgement,
    count: u64,
    is_written: bool,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        self.shape.kept.fetch_sub(self.count, Ordering::Relaxed);
        self.shape.fresh.fetch_add(self.count, Ordering::Relaxed);
        let change = self.judgement.change;
        self.scope
            .list
            .judge(&self.shape, |present| present.change = present.change.max(change));
    }
}

impl Keeper {
    async fn run(mut self, stop: CancellationToken) -> TaskResult {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
        while !stop.is_cancelled() {
            match self.turn_in_time(TURN_TIMEOUT, false).await {
                Ok(()) => backoff.reset(),
                Err(reason) => {
                    self.says(Kept { is_kept: false, reason });
                    pause(&stop, backoff.failed()).await;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(TURN_EVERY) => {}
                () = self.guard.desk.asked.notified() => {}
                () = stop.cancelled() => {}
            }
        }
        if self.store.is_some()
            && let Err(reason) = self.turn_in_time(LEAVE_WITHIN, true).await
        {
            tracing::warn!(dependency = "store", error = %reason, "what the firewall saw last is not kept");
        }
        Ok(())
    }

    async fn turn_in_time(&mut self, limit: Duration, is_last: bool) -> Result<(), String> {
        let turn = timeout(limit, self.turn(is_last)).await;
        turn.map_err(|_| format!("the store did not answer within {limit:?}"))?
            .map_err(|error| error.to_string())
    }

    /// Writes what is new, and reads what others wrote.
    async fn turn(&mut self, is_last: bool) -> Result<(), StoreError> {
        let order = self.guard.desk.last_order();
        let Some(store) = self.store().await? else {
            return Ok(());
        };
        self.write(&store, is_last).await?;
        self.guard.desk.carried_out(order);
        if !is_last {
            self.read(&store).await?;
        }
        self.says(Kept {
            is_kept: true,
            reason: String::new(),
        });
        Ok(())
    }

    /// Lets others know whether the list is kept.
    fn says(&self, kept: Kept) {
        let before = self.guard.desk.becomes(kept.clone());
        if before == kept {
            return;
        }
        if kept.is_kept {
            tracing::info!(dependency = "store", "the firewall's list is kept in the store");
        } else {
            tracing::warn!(
                dependency = "store", error = %kept.reason,
                "the firewall's list is not kept: it goes on from what this process knows"
            );
        }
    }

    /// The store, if there is something in it or something to be written.
    async fn store(&mut self) -> Result<Option<Store>, StoreError> {
        if let Some(store) = &self.store {
            return Ok(Some(store.clone()));
        }
        if !self.guard.desk.is_needed() && !self.others_were_first().await? {
            return Ok(None);
        }
        let store = Store::open(self.options.clone(), vec![Migrations::of_service(sqlx::migrate!())])?;
        store.migrate().await?;
        self.store = Some(store.clone());
        Ok(Some(store))
    }

    /// Whether another gateway has made the tables.
    async fn others_were_first(&mut self) -> Result<bool, StoreError> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(false);
        }
        let store = Store::open(self.options.clone(), Vec::new())?;
        let looked = async {
            let mut connection = store.pool().acquire().await?;
            store::are_there(&mut connection).await
        };
        let looked = looked.await.map_err(|error| store.error(error));
        // Nothing of it stays open for the time in which nothing is kept.
        store.pool().close().await;
        self.looked = Some(Instant::now());
        looked
    }

    async fn write(&mut self, store: &Store, is_last: bool) -> Result<(), StoreError> {
        let with_counts = is_last || self.counted.elapsed() >= COUNTS_EVERY;
        if with_counts {
            self.counted = Instant::now();
        }
        let mut taken = self.take(with_counts);
        while !taken.is_empty() {
            let rest = taken.split_off(taken.len().min(ROWS_MAX));
            self.write_some(store, &taken)
                .await
                .map_err(|error| store.error(error))?;
            taken.iter_mut().for_each(|one| one.is_written = true);
            taken = rest;
        }
        self.write_modes(store).await.map_err(|error| store.error(error))?;
        if self.forgot.elapsed() >= FORGET_EVERY {
            self.forgot = Instant::now();
            let forgotten = async {
                let mut connection = store.pool().acquire().await?;
                store::forget_old(&mut connection, self.guard.now_ms()).await
            };
            forgotten.await.map_err(|error| store.error(error))?;
        }
        Ok(())
    }

    /// What is to be written, in an order that all gateways keep to, so that none waits for the other.
    fn take(&self, with_counts: bool) -> Vec<Taken> {
        let now_ms = self.guard.now_ms();
        let mut taken = Vec::new();
        for scope in self.guard.scopes() {
            if !scope.list.was_dirty() && !with_counts {
                continue;
            }
            let mut shapes = scope.list.all();
            // As the store has them: signed.
            shapes.sort_by_key(|shape| signed(shape.id));
            taken.extend(
                shapes
                    .into_iter()
                    .filter_map(|shape| take(&scope, shape, with_counts, now_ms)),
            );
        }
        taken
    }

    async fn write_some(&self, store: &Store, taken: &[Taken]) -> sqlx::Result<()> {
        let of = |change| {
            let mut rows = Writing::default();
            let concerned = taken.iter().filter(|one| one.judgement.change == change);
            concerned.for_each(|one| rows.push(row(one)));
            rows
        };
        let (decisions, sights, counts) = (of(Change::Decision), of(Change::Sight), of(Change::None));
        let mut transaction = store.pool().begin().await?;
        if !decisions.is_empty() {
            store::decide_shapes(&mut transaction, &decisions).await?;
        }
        if !sights.is_empty() {
            store::sight_shapes(&mut transaction, &sights).await?;
        }
        if !counts.is_empty() {
            store::count_shapes(&mut transaction, &counts).await?;
        }
        transaction.commit().await
    }

    async fn write_modes(&self, store: &Store) -> sqlx::Result<()> {
        let changes = self.guard.desk.mode_changes();
        if changes.is_empty() {
            return Ok(());
        }
        let mut transaction = store.pool().begin().await?;
        for (whom, set) in &changes {
            match set {
                Some(set) => store::put_mode(&mut transaction, &mode_row(set)).await?,
                None => store::take_mode(&mut transaction, &whom.project, &whom.database, &whom.user).await?,
            }
        }
        transaction.commit().await?;
        self.guard.desk.modes_written(&changes);
        Ok(())
    }

    async fn read(&mut self, store: &Store) -> Result<(), StoreError> {
        let read = async {
            let mut connection = store.pool().acquire().await?;
            let horizon = store::horizon(&mut connection).await?;
            let shapes = store::shapes_since(&mut connection, &self.since).await?;
            Ok((horizon, shapes, store::modes(&mut connection).await?))
        };
        let (horizon, shapes, modes) = read.await.map_err(|error| store.error(error))?;
        self.since = horizon;
        for row in shapes {
            self.hear(row);
        }
        self.hear_modes(modes);
        Ok(())
    }

    /// What another gateway wrote, or this one.
    fn hear(&self, row: ShapeRow) {
        let Ok(project) = weir_model::Project::parse(&row.project) else {
            return;
        };
        let key = ScopeKey {
            project,
            database: row.database.clone(),
            user: row.user_name.clone(),
        };
        let scope = self.guard.scope(&key);
        let standing = Standing::of(u8::try_from(row.standing).unwrap_or_default());
        match scope.list.find(unsigned(row.id)) {
            None if standing == Standing::Forgotten => {}
            None => scope.list.put(Arc::new(shape_of(&row, standing))),
            Some(shape) => hear_again(&scope, &shape, &row, standing),
        }
    }

    fn hear_modes(&self, rows: Vec<ModeRow>) {
        let changes: ModeChanges = self.guard.desk.mode_changes();
        let mut modes: Vec<ModeSet> = rows.into_iter().filter_map(mode_of).collect();
        modes.retain(|set| !changes.contains_key(&set.whom));
        modes.extend(changes.into_values().flatten());
        modes.sort_by(|one, other| one.whom.cmp(&other.whom));
        if modes != self.guard.modes_set() {
            self.guard.become_modes(modes);
        }
    }
}

/// Takes what is to be written of a shape. What it was seen since is written with it.
fn take(scope: &Arc<Scope>, shape: Arc<Shape>, with_counts: bool, now_ms: i64) -> Option<Taken> {
    let judgement = scope.list.judge(&shape, |judgement| {
        let taken = judgement.clone();
        judgement.change = Change::None;
        taken
    });
    let is_seen = shape.fresh.load(Ordering::Relaxed) > 0;
    if judgement.change == Change::None && !(with_counts && is_seen) {
        return None;
    }
    let count = shape.fresh.swap(0, Ordering::Relaxed);
    shape.kept.fetch_add(count, Ordering::Relaxed);
    if count > 0 {
        shape.last_seen_ms.fetch_max(now_ms, Ordering::Relaxed);
    }
    Some(Taken {
        scope: scope.clone(),
        shape,
        judgement,
        count,
        is_written: false,
    })
}

fn hear_again(scope: &Scope, shape: &Shape, row: &ShapeRow, standing: Standing) {
    shape.kept.store(count(row.count), Ordering::Relaxed);
    shape.last_seen_ms.fetch_max(row.last_seen_ms, Ordering::Relaxed);
    if row.first_seen_ms > 0 {
        shape.first_seen_ms.fetch_min(row.first_seen_ms, Ordering::Relaxed);
    }
    let is_out = scope.list.judge(shape, |judgement| match judgement.change {
        // What somebody has decided here is to be written yet.
        Change::Decision => false,
        // It was seen here since it was taken out.
        Change::Sight if standing == Standing::Forgotten => false,
        Change::Sight => {
            judgement.standing = judgement.standing.max(standing);
            hear_approval(judgement, row);
            false
        }
        Change::None => {
            judgement.standing = standing;
            judgement.score = judgement.score.max(score(row.score));
            hear_approval(judgement, row);
            standing == Standing::Forgotten
        }
    });
    if is_out {
        scope.list.take(shape.id);
    }
}

fn hear_approval(judgement: &mut Judgement, row: &ShapeRow) {
    judgement.approved_by.clone_from(&row.approved_by);
    judgement.approved_ms = row.approved_ms;
    judgement.approved_score = score(row.approved_score);
}

fn shape_of(row: &ShapeRow, standing: Standing) -> Shape {
    let rules = row.rules.split(',').filter(|rule| !rule.is_empty());
    let judgement = Judgement {
        standing,
        score: score(row.score),
        rules: rules.map(str::to_owned).collect(),
        approved_by: row.approved_by.clone(),
        approved_ms: row.approved_ms,
        approved_score: score(row.approved_score),
        change: Change::None,
    };
    let shape = Shape::new(unsigned(row.id), unsigned(row.fingerprint), &row.text, judgement);
    shape.kept.store(count(row.count), Ordering::Relaxed);
    shape.first_seen_ms.store(row.first_seen_ms, Ordering::Relaxed);
    shape.last_seen_ms.store(row.last_seen_ms, Ordering::Relaxed);
    shape
}

fn row(taken: &Taken) -> ShapeRow {
    let Taken {
        scope,
        shape,
        judgement,
        count,
        ..
    } = taken;
    ShapeRow {
        project: scope.key.project.to_string(),
        database: scope.key.database.clone(),
        user_name: scope.key.user.clone(),
        id: signed(shape.id),
        fingerprint: signed(shape.fingerprint),
        standing: judgement.standing as i16,
        text: shape.text.to_string(),
        score: i32::from(judgement.score),
        rules: judgement.rules.join(","),
        count: i64::try_from(*count).unwrap_or(i64::MAX),
        first_seen_ms: shape.first_seen_ms.load(Ordering::Relaxed),
        last_seen_ms: shape.last_seen_ms.load(Ordering::Relaxed),
        approved_by: judgement.approved_by.clone(),
        approved_ms: judgement.approved_ms,
        approved_score: i32::from(judgement.approved_score),
    }
}

fn mode_row(set: &ModeSet) -> ModeRow {
    ModeRow {
        project: set.whom.project.clone(),
        database: set.whom.database.clone(),
        user_name: set.whom.user.clone(),
        mode: set.mode.as_str().to_owned(),
        set_by: set.by.clone(),
        set_ms: set.at_ms,
    }
}

/// A mode as it was stored. One of a later version is passed over.
fn mode_of(row: ModeRow) -> Option<ModeSet> {
    Some(ModeSet {
        whom: Whom {
            project: row.project,
            database: row.database,
            user: row.user_name,
        },
        mode: FirewallMode::read(&row.mode).ok()?,
        by: row.set_by,
        at_ms: row.set_ms,
    })
}

const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

const fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

fn score(number: i32) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
