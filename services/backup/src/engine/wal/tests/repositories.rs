//! Several repositories, and what they hold of one segment.

use std::time::Duration;

use super::store::Mood;
use super::*;
use crate::engine::wal::whereabouts;

const S: u32 = 16 << 20;

async fn until_has(repository: &Repository, lsn: u64) {
    eventually(&format!("the log up to {}", Lsn(lsn)), SOON, async || {
        let end = whereabouts::end(repository, 1, S)
            .await
            .unwrap()
            .map_or(0, |end| end.lsn);
        if end >= lsn {
            Ok(())
        } else {
            Err(format!("{}", Lsn(end)))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_repository_may_fail_and_is_brought_up_to_the_first() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 2, |_| {}).await;
    world.start();
    let begun = world.until_safe(&postgres).await;
    until_has(&world.repository(1).await, begun).await;
    for mood in [Mood::Fails] {
        world.moods[1].set(mood);
        write(&postgres, 90).await;
        // The first goes on, the other is told of.
        world.until_safe(&postgres).await;
        world.until_reason("r1").await;
        world.moods[1].set(Mood::Well);
        let end = world.until_safe(&postgres).await;
        let other = world.repository(1).await;
        until_has(&other, end).await;
        let from = first_kept(&world.repository(0).await, 1, S).await;
        let (one, two) = (
            kept_log(&world.repository(0).await, 1, from, end, S).await,
            kept_log(&other, 1, from, end, S).await,
        );
        assert_same(&one, &two, from);
        assert_eq!(world.log.state().reason, "");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_means_safe_in_every_repository_that_keeps_up() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 2, |_| {}).await;
    world.start();
    let begun = world.until_safe(&postgres).await;
    until_has(&world.repository(1).await, begun).await;
    // Time for it to be counted again after it found its place.
    for _ in 0..3 {
        write(&postgres, 1).await;
        world.until_safe(&postgres).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    world.moods[1].set(Mood::Stalls);
    write(&postgres, 1).await;
    let end = flushed(&postgres).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let safe = world.log.state().durable.unwrap().lsn;
    assert!(safe < end, "it is safe in one of two only");
    world.until_safe(&postgres).await;
    world.until_reason("has not answered").await;
    world.moods[1].set(Mood::Well);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_content_under_the_same_name_is_refused_and_the_same_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::in_directory(Directory::of(dir.path()).unwrap(), "test");
    let made = Repository::open(shelf, Wrapping::open_to_all(), "main", Clock::system(), None).await;
    let repository = made.unwrap();
    let segment = Segment::at(1, 0x300_0000, 1 << 20);
    let content = vec![3; 1 << 20];
    for _ in 0..2 {
        repository.put_segment(segment, &content, 1).await.unwrap();
        repository
            .put_piece(segment.next(), 10, &content[..500], 1)
            .await
            .unwrap();
    }
    let mut other = content.clone();
    other[77] ^= 1;
    let refused = repository.put_segment(segment, &other, 1).await.unwrap_err();
    assert!(refused.to_string().contains("other content"), "{refused}");
    let refused = repository
        .put_piece(segment.next(), 10, &other[..500], 1)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("other content"), "{refused}");
    assert_eq!(repository.segment(segment).await.unwrap(), Held::Whole(content.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_slowly_a_segment_fills_there_are_few_pieces_of_it() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |settings| {
        settings.wal_flush_every = Duration::from_millis(1);
    })
    .await;
    world.start();
    world.until_safe(&postgres).await;
    postgres.psql("postgres", "create table t (id int)").await;
    let repository = world.repository(0).await;
    let (mut most, mut stored) = (0, 0);
    for id in 0..150 {
        postgres.psql("postgres", &format!("insert into t values ({id})")).await;
        let end = world.until_safe(&postgres).await;
        let open = Segment::at(1, end, S);
        most = most.max(repository.pieces(open).await.unwrap().len());
        stored += 1;
    }
    let end = world.until_safe(&postgres).await;
    let from = end - end % u64::from(S);
    let kept = kept_log(&repository, 1, from, end, S).await;
    assert_same(&kept, &own_log(&postgres, 1, from, end, S), from);
    assert!(most < 45, "{most} pieces of {stored}");
    world.stop().await;
}
