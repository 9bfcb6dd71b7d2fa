//! Results in portions, inside a transaction.

use crate::client::Client;
use crate::frames::Frames;
use crate::reply::Outcome;

const ROWS: usize = 10;

impl Client {
    pub(super) async fn cursor(&mut self) -> Outcome {
        self.command("begin", "CZT", "BEGIN").await?;
        let tag = self.tag();
        let values: Vec<String> = (1..=ROWS).map(|number| format!("{tag}/{number}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        if self.rng.bool() {
            self.fetch(&tag, &values).await?;
        } else {
            self.portal(&tag, &values).await?;
        }
        let end = ["commit", "rollback"][self.rng.usize(0..2)];
        self.command(end, "CZI", &end.to_uppercase()).await
    }

    async fn fetch(&mut self, tag: &str, values: &[&str]) -> Outcome {
        let select = format!("select '{tag}/' || g from generate_series(1, {ROWS}) g");
        let sql = format!("declare c cursor for {select}");
        self.command(&sql, "CZT", "DECLARE CURSOR").await?;
        let (first, rest) = values.split_at(self.rng.usize(1..ROWS));
        let sql = format!("fetch {} from c", first.len());
        self.ask(&sql, "TDCZT", first).await?;
        self.ask("fetch all from c", "TDCZT", rest).await?;
        self.command("close c", "CZT", "CLOSE CURSOR").await
    }

    /// A portal outlives the Sync, since the transaction does.
    async fn portal(&mut self, tag: &str, values: &[&str]) -> Outcome {
        let sql = format!("select $1::text || '/' || g from generate_series(1, {ROWS}) g");
        let (first, rest) = values.split_at(self.rng.usize(1..ROWS));
        let rows_max = u32::try_from(first.len()).expect("a few rows");
        let frames = Frames::default().parse("", &sql).bind("p", "", &[tag]);
        let reply = self.round(&frames.execute("p", rows_max).sync()).await?;
        reply.expect("12DsZT", first)?;
        let reply = self.round(&Frames::default().execute("p", 0).sync()).await?;
        reply.expect("DCZT", rest)
    }
}
