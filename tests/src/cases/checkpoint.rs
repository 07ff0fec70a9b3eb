//! Case 7: the checkpoint is damaged. The job says so and names the way out, which leads back to right
//! figures.

use std::fs;
use std::path::Path;

use super::{folder, newest, plan, replace};
use crate::support::{Ended, Sent, on_shared_stack};

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    CutShort,
    Emptied,
    Zeroed,
    Deleted,
    /// One text for another.
    Edited(&'static str, &'static str),
}

impl Damage {
    fn befall(self, file: &Path) {
        let content = fs::read(file).unwrap();
        match self {
            Self::CutShort => fs::write(file, &content[..content.len() / 2]).unwrap(),
            Self::Emptied => fs::write(file, "").unwrap(),
            Self::Zeroed => fs::write(file, vec![0; content.len()]).unwrap(),
            Self::Deleted => fs::remove_file(file).unwrap(),
            Self::Edited(from, to) => {
                let text = String::from_utf8(content).unwrap();
                assert!(text.contains(from), "{from}: {text}");
                fs::write(file, text.replace(from, to)).unwrap();
            }
        }
    }
}

/// The damage that must stop the job, to the newest file of a log.
const FATAL: [(&str, Damage); 8] = [
    ("offsets", Damage::CutShort),
    ("offsets", Damage::Emptied),
    ("offsets", Damage::Zeroed),
    ("offsets", Damage::Deleted),
    (
        "offsets",
        Damage::Edited("\"spark.sql.shuffle.partitions\":\"2\"", "\"spark.sql.shuffle.partitions\":\"4\""),
    ),
    ("commits", Damage::CutShort),
    ("commits", Damage::Emptied),
    ("commits", Damage::Zeroed),
];

#[track_caller]
fn assert_names_the_way_out(refused: &Ended) {
    for words in ["cannot be continued", "storepulse job reset", "storepulse rebuild"] {
        assert!(refused.err.contains(words), "{words}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_stops_the_job_and_its_way_out_leads_to_right_figures() {
    if !crate::long_tests() {
        return;
    }
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let mut sent = Sent::default();
        for seed in 1..=3 {
            sent += line.simulate(&format!("--rate 300 --duration 2s --seed {seed}")).await;
            line.until_read(sent.committed).await;
        }
        job.stop().await.succeeded();
        let plan = plan(line).await;
        let (checkpoint, kept) = (folder(&plan), tempfile::tempdir().unwrap());
        let kept = kept.path().join("checkpoint");
        replace(&kept, &checkpoint);
        let [offsets, commits] = ["offsets", "commits"].map(|log| newest(&plan, log));
        assert!(offsets > 0 && offsets == commits, "{offsets}, {commits}");

        for (log, damage) in FATAL {
            replace(&checkpoint, &kept);
            damage.befall(&checkpoint.join(format!("{log}/{offsets}")));
            let refused = line.run("job run").await.failed();
            assert!(refused.err.contains(&plan.checkpoint), "{log} {damage:?}: {refused}");
            assert_names_the_way_out(&refused);
        }

        // What Spark reads itself: it finds the damage when it loads the state, and the supervisor
        // understands.
        replace(&checkpoint, &kept);
        for partition in 0..2 {
            Damage::Zeroed.befall(&checkpoint.join(format!("state/0/{partition}/{}.delta", offsets + 1)));
        }
        let job = line.start("job run");
        // A micro-batch loads it.
        sent += line.simulate("--rate 300 --duration 2s --seed 4").await;
        assert_names_the_way_out(&job.ended().await.failed());

        // A crash leaves the same as a lost newest commit: the batch is written again.
        replace(&checkpoint, &kept);
        Damage::Deleted.befall(&checkpoint.join(format!("commits/{commits}")));
        let job = line.job().await;
        line.assert_verified(sent).await;
        job.stop().await.succeeded();

        Damage::Zeroed.befall(&checkpoint.join(format!("offsets/{}", newest(&plan, "offsets"))));
        assert_names_the_way_out(&line.run("job run").await.failed());
        line.run("job reset").await.succeeded();
        let job = line.job().await;
        sent += line.simulate("--rate 300 --duration 2s --seed 5").await;
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
