//! What a person is told who made a mistake. Each snapshot is a table: the mistake, and the answer.

mod common;

use common::VOCABULARY;
use klab_scenario::Scenario;

const GOOD: &str = r#"title   = "A follower leaves the ISR"
concept = "in-sync-replicas"
run-for = "60s"

[cluster]
brokers    = 3
controller = { mode = "kraft", voters = 3 }
config     = { "min.insync.replicas" = 2 }

[[topic]]
name        = "orders"
partitions  = 3
replication = 3

[[producer]]
name   = "shop"
topic  = "orders"
rate   = "200/s"
config = { "acks" = "all" }

[[consumer]]
topic = "orders"

[[at]]
time = "5s"
cut  = { from = "b2", to = "leader of orders-0" }

[[expect]]
always = "no-acked-record-is-lost"

[[expect]]
sometimes = "IsrShrunk"
"#;

/// A mistake: what stands in the good file, and what stands there instead.
type Mistake = (&'static str, &'static str);

/// What each mistake is answered, one after the other.
fn answers(mistakes: &[Mistake]) -> String {
    let answer = |(good, bad): &Mistake| {
        assert!(GOOD.contains(good), "the good file has no {good:?}");
        let text = GOOD.replacen(good, bad, 1);
        let problems = Scenario::parse("lesson.toml", &text, &VOCABULARY)
            .expect_err(&format!("{bad:?} is a mistake"));
        format!("# {}\n\n{problems}\n", bad.trim().replace('\n', "\n# "))
    };
    mistakes.iter().map(answer).collect::<Vec<_>>().join("\n")
}

/// Snapshots without the long expression that made them.
fn only_answers() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.bind_to_scope()
}

#[test]
fn the_good_file_is_good() {
    Scenario::parse("lesson.toml", GOOD, &VOCABULARY).unwrap_or_else(|p| panic!("{p}"));
}

#[test]
fn keys_and_sections() {
    let _settings = only_answers();
    insta::assert_snapshot!(answers(&[
        ("title   = ", "titel   = "),
        ("[cluster]", "[clutser]"),
        ("[[topic]]", "[topic]"),
        ("partitions  = 3", "partitons = 3"),
        ("[[producer]]", "[[produser]]"),
        ("run-for = \"60s\"", ""),
        ("run-for = \"60s\"", "run-for = \"60s"),
        ("cut  = {", "cutt = {"),
        ("to = \"leader of orders-0\"", "two = \"leader of orders-0\""),
        ("[cluster]", "cluster = 3\n[network]\nlatncy = \"1ms\"\n[clusters]"),
    ]));
}

#[test]
fn values_and_units() {
    let _settings = only_answers();
    insta::assert_snapshot!(answers(&[
        ("\"60s\"", "60"),
        ("\"60s\"", "\"60\""),
        ("\"60s\"", "\"1 minute\""),
        ("\"60s\"", "\"0s\""),
        ("\"200/s\"", "200"),
        ("\"200/s\"", "\"200 per second\""),
        ("rate   = \"200/s\"", "record-size = \"1 kilobyte\""),
        ("brokers    = 3", "brokers = \"three\""),
        ("brokers    = 3", "brokers = 0"),
        ("[[topic]]", "[network]\nloss = \"150%\"\n[[topic]]"),
        ("[[topic]]", "[network]\nlatency = 5\n[[topic]]"),
        ("[[topic]]", "[hardware]\nprofile = \"idael\"\n[[topic]]"),
        ("concept =", "claims = [\"10-10\"]\nconcept ="),
        ("topic = \"orders\"\n\n[[at]]", "topic = \"orders\"\nfrom = \"begin\"\n\n[[at]]"),
    ]));
}

#[test]
fn configs() {
    let _settings = only_answers();
    insta::assert_snapshot!(answers(&[
        ("\"min.insync.replicas\" = 2", "\"min.isync.replicas\" = 2"),
        ("\"min.insync.replicas\" = 2", "\"min.isr\" = 2"),
        ("\"min.insync.replicas\" = 2", "\"min.insync.replicas\" = 0"),
        ("\"min.insync.replicas\" = 2", "min.insync.replica = 2"),
        ("\"min.insync.replicas\" = 2", "\"replica.lag.time.max.ms\" = 400"),
        ("\"min.insync.replicas\" = 2", "\"replica.lag.time.max.ms\" = \"30s\""),
        ("\"acks\" = \"all\"", "\"acks\" = 2"),
        ("\"acks\" = \"all\"", "\"acks\" = 1, \"enable.idempotence\" = true"),
        ("\"acks\" = \"all\"", "\"transactional.id\" = \"t\""),
        (
            "topic = \"orders\"\n\n[[at]]",
            "topic = \"orders\"\nconfig = { \"group.id\" = \"billing\" }\n\n[[at]]",
        ),
        ("replication = 3", "config = { \"retention.mss\" = 1 }"),
    ]));
}

#[test]
fn names() {
    let _settings = only_answers();
    insta::assert_snapshot!(answers(&[
        ("topic  = \"orders\"", "topic = \"order\""),
        ("topic  = \"orders\"", "topic = \"payments\""),
        ("from = \"b2\"", "from = \"b7\""),
        ("from = \"b2\"", "from = \"z1\""),
        ("from = \"b2\"", "from = \"zookeeper leader\""),
        ("from = \"b2\"", "from = \"brokrs\""),
        ("from = \"b2\"", "from = \"shopp\""),
        ("from = \"b2\"", "from = \"rack a\""),
        ("leader of orders-0", "leader of orders-3"),
        ("leader of orders-0", "leeder of orders-0"),
        ("leader of orders-0", "the leader"),
        ("leader of orders-0", "coordinator of billing"),
        ("\"in-sync-replicas\"", "\"insync-replica\""),
        ("\"IsrShrunk\"", "\"IsrShrank\""),
        ("\"no-acked-record-is-lost\"", "\"no-acked-records-are-lost\""),
        ("name   = \"shop\"", "name = \"controller\""),
        ("[[topic]]", "[cluster.broker.b9]\nrack = \"a\"\n[[topic]]"),
        ("[[topic]]", "[kafka]\nrelease = \"5.0\"\n[[topic]]"),
        ("[[topic]]", "[kafka.switches]\ntruncate = \"high-watermark\"\n[[topic]]"),
        ("[[topic]]", "[kafka.switches]\ntruncation = \"kip-1\"\n[[topic]]"),
        ("[[topic]]", "[kafka.switches]\nreplica-directories = \"off\"\n[[topic]]"),
    ]));
}

#[test]
fn acts() {
    const CUT: &str = "cut  = { from = \"b2\", to = \"leader of orders-0\" }";
    let _settings = only_answers();
    insta::assert_snapshot!(answers(&[
        ("time = \"5s\"", "time = \"60s\""),
        (CUT, ""),
        (CUT, "crash = \"b1\"\nrestart = \"b1\""),
        (CUT, "start = \"b1\"\nfor = \"5s\""),
        (CUT, "crash = \"b1\"\nevery = \"0s\""),
        (CUT, "crash = 1"),
        (CUT, "slow-disk = { nodes = \"b1\", percent = 50 }"),
        (CUT, "drop = { api = \"Fech\", from = \"b1\", to = \"b2\" }"),
        (CUT, "elect = { kind = \"clean\" }"),
        (CUT, "reassign = { partitions = { \"orders-0\" = [\"b1\", \"b1\"] } }"),
        (CUT, "alter-config = { topic = \"orders\", broker = \"b1\", set = {} }"),
        (CUT, "alter-config = { topic = \"orders\", set = { \"min.insync.replica\" = 1 } }"),
        (CUT, "seek = { consumer = \"p1\", partition = \"orders-0\", to = 5 }"),
        (CUT, "clock-step = { nodes = \"b1\", by = \"5\" }"),
        ("[[expect]]", "[[nemesis]]\nfamilies = [\"crsh\"]\nevery = \"5s\"\n[[expect]]"),
        ("[[topic]]", "[[link]]\nfrom = \"controller\"\nto = \"b1\"\nloss = \"1%\"\n[[topic]]"),
    ]));
}

#[test]
fn topics_and_expectations() {
    let _settings = only_answers();
    insta::assert_snapshot!(answers(&[
        ("replication = 3", "replication = 5"),
        ("partitions  = 3", "partitions = 0"),
        ("name        = \"orders\"", "name = \"my orders\""),
        ("[[producer]]", "[[topic]]\nname = \"orders\"\n[[producer]]"),
        ("replication = 3", "assignment = [[\"b1\"], [\"b2\", \"b3\"]]"),
        ("replication = 3", "assignment = [\"b1\"]"),
        ("always = \"no-acked-record-is-lost\"", "never = \"IsrExpanded\""),
        ("sometimes = \"IsrShrunk\"", "never = \"IsrShrunk\""),
        ("sometimes = \"IsrShrunk\"", "sometimes = \"IsrShrunk\"\nat-least = 3\nat-most = 2"),
        (
            "sometimes = \"IsrShrunk\"",
            "violated = \"no-acked-record-is-lost\"\npermitted-by = \"ack=1\"",
        ),
        ("sometimes = \"IsrShrunk\"", "sometimes = \"IsrShrunk\"\nalways = \"order-is-kept\""),
    ]));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = GOOD
        .replace("partitions  = 3", "partitons = 3")
        .replace("\"200/s\"", "200")
        .replace("\"IsrShrunk\"", "\"IsrShrank\"");
    let problems = Scenario::parse("lesson.toml", &text, &VOCABULARY).unwrap_err();
    let positions: Vec<_> = problems.list.iter().map(|one| problems.position(one)).collect();
    assert_eq!(positions, [(12, 1), (18, 10), (32, 13)]);
    assert!(problems.render(true).contains("\u{1b}["), "colours on request");
    assert!(!problems.to_string().contains('\u{1b}'), "and only then");
}

#[test]
fn what_is_set_is_checked_like_what_is_written() {
    let answer = |setting: &(&str, &str)| {
        let problems = Scenario::parse_with("lesson.toml", GOOD, &[*setting], &VOCABULARY)
            .expect_err(&format!("{setting:?} is a mistake"));
        format!("# --set {}={}\n\n{problems}\n", setting.0, setting.1)
    };
    let settings = [
        ("borker.min.insync.replicas", "1"),
        ("broker.min.isync.replicas", "1"),
        ("producer.akcs", "1"),
        ("producer.acks", "2"),
        ("producer.9.acks", "1"),
        ("topic.partitions", "many"),
        ("topic.replication", "4"),
        ("cluster", "5"),
        ("cluster.controller.mode", "zookeper"),
        ("link.latency", "5ms"),
        ("run-for", "1"),
    ];
    let _settings = only_answers();
    insta::assert_snapshot!(settings.iter().map(answer).collect::<Vec<_>>().join("\n"));
}

/// A file that was made wrong somehow is refused with at least one problem; or it is read, and then
/// printed as the same.
fn check_broken(text: &str) {
    match Scenario::parse("broken.toml", text, &VOCABULARY) {
        Err(problems) => {
            assert!(!problems.list.is_empty(), "refused without a reason:\n{text}");
            assert!(!problems.to_string().is_empty());
        }
        Ok(scenario) => {
            let again = Scenario::parse("printed", &scenario.to_string(), &VOCABULARY);
            assert_eq!(again, Ok(scenario));
        }
    }
}

#[test]
fn a_file_that_lacks_a_line_or_ends_early_is_refused_with_reasons_or_read() {
    let lines: Vec<&str> = include_str!("everything.toml").lines().collect();
    for place in 0..lines.len() {
        check_broken(&lines[..place].join("\n"));
        check_broken(&[&lines[..place], &lines[place + 1..]].concat().join("\n"));
    }
}

#[test]
fn a_value_of_any_wrong_kind_is_refused_with_reasons_or_read() {
    let lines: Vec<&str> = include_str!("everything.toml").lines().collect();
    let values =
        ["true", "-1", "0", "99999999999", "0.5", "\"?\"", "\"\"", "[]", "[1]", "{}", "1979-05-27"];
    for (place, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once('=') else { continue };
        for value in values {
            let bad = format!("{key}= {value}");
            check_broken(&[&lines[..place], &[&bad], &lines[place + 1..]].concat().join("\n"));
        }
    }
}
