//! The seeds of the fuzz target, and texts made of them, hold what must hold of every text.
//!
//! The fuzz target itself (`just soak-sql`) is told which code a text reaches and finds its way from there; here the
//! same checks run over the seeds and over some thousand texts that chance puts together from them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod checks;

use std::path::Path;

/// Texts that chance makes; each is checked like the seeds.
const TEXTS: usize = 15_000;

/// The seeds, by their names: texts of every kind, and those that broke something once.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let mut seeds: Vec<_> = files
        .map(|file| {
            (
                file.file_name().into_string().unwrap(),
                std::fs::read(file.path()).unwrap(),
            )
        })
        .collect();
    seeds.sort();
    seeds
}

/// Checks a text on a thread with the stack of a tokio worker.
fn check(name: &str, data: Vec<u8>) {
    let worker = std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .name(name.to_owned());
    let run = worker.spawn(move || checks::check(&checks::text_of(&data)));
    run.unwrap().join().unwrap();
}

#[test]
fn every_seed_holds() {
    let seeds = seeds();
    assert!(seeds.len() > 60, "the seeds are not where they were");
    for (name, data) in seeds {
        check(&name, data);
    }
}

#[test]
fn what_chance_makes_of_them_holds() {
    let pool: Vec<Vec<u8>> = seeds()
        .into_iter()
        .map(|(_, data)| data)
        .filter(|data| data.len() < 1_000)
        .collect();
    // The same texts each time, so that what fails can be found again.
    let mut dice = fastrand::Rng::with_seed(4711);
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let run = worker.spawn(move || {
        for _ in 0..TEXTS {
            checks::check(&checks::text_of(&made(&pool, &mut dice)));
        }
    });
    run.unwrap().join().unwrap();
}

/// Pieces of up to three seeds, with a byte changed here and there.
fn made(pool: &[Vec<u8>], dice: &mut fastrand::Rng) -> Vec<u8> {
    // Few repetitions: long texts are the seeds' own.
    let mut data = vec![dice.u8(..4)];
    for _ in 0..dice.usize(1..=3) {
        let seed = &pool[dice.usize(..pool.len())];
        let from = dice.usize(..seed.len());
        data.extend_from_slice(&seed[from..dice.usize(from..=seed.len())]);
    }
    for _ in 0..dice.usize(..4) {
        let at = dice.usize(..data.len());
        match dice.usize(..3) {
            0 => data[at] = *dice.choice(b"'\"$\\/*-;(),. \nEUX9\0").unwrap(),
            1 => drop(data.remove(at)),
            _ => data.insert(at, dice.u8(..)),
        }
        if data.is_empty() {
            break;
        }
    }
    data
}
