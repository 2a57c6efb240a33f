use super::*;
use klab_machine::Effect;
use klab_machine::random::stream;
use klab_wire::zookeeper::{Answer, EventType};

const SESSION: SessionId = SessionId(7);

fn at(seconds: u64) -> Time {
    Time(Span::from_secs(seconds).0)
}

struct Bench {
    session: Session,
    out: Outbox,
    connection: ConnectionId,
}

impl Bench {
    /// A client with a session of 12 s, connected at time 0.
    fn connected() -> Self {
        let mut out = Outbox::new(0);
        let servers = (1..=3).map(NodeId::zookeeper).collect();
        let setup = SessionSetup { servers, chroot: None, timeout: Span::from_secs(12) };
        let session = Session::new(setup, stream(1, "client", []), at(0), &mut out);
        let mut bench = Bench { session, out, connection: ConnectionId(0) };
        bench.open(at(0));
        bench
    }

    fn open(&mut self, now: Time) -> Vec<Event> {
        self.session.connected(self.connection, now, &mut self.out);
        self.hear(now, connect_response(12))
    }

    fn hear(&mut self, now: Time, frame: Frame) -> Vec<Event> {
        self.session.hear(self.connection, frame, now, &mut self.out)
    }

    fn timer(&mut self, now: Time, timer: ZooKeeperClientTimer) -> Vec<Event> {
        self.session.timer(timer, now, &mut self.out)
    }

    fn said(&mut self) -> Vec<Frame> {
        let frame = |effect| match effect {
            Effect::Frame { frame, .. } => Some(frame),
            _ => None,
        };
        self.out.drain().filter_map(frame).collect()
    }
}

fn connect_response(seconds: u64) -> Frame {
    let timeout = Span::from_secs(seconds);
    let response = ConnectResponse { timeout, session: SESSION, password: 1 };
    Frame::ConnectResponse(Box::new(response))
}

fn read(watch: bool) -> Op {
    Op::GetData { path: "/a".into(), watch }
}

fn reply(xid: i32, zxid: Zxid) -> Frame {
    Frame::Reply(Box::new(Reply { xid: Xid(xid), zxid, result: Ok(Answer::Done) }))
}

#[test]
fn a_client_pings_after_a_third_and_leaves_after_two_thirds_of_its_session_timeout() {
    let mut bench = Bench::connected();
    bench.said();
    assert_eq!(bench.timer(at(4), ZooKeeperClientTimer::Connection), []);
    let said = bench.said();
    assert!(matches!(&said[..], [Frame::ClientRequest(ping)] if ping.op == Op::Ping), "{said:?}");
    let events = bench.timer(at(8), ZooKeeperClientTimer::Connection);
    assert_eq!(events, [Event::Disconnected]);
}

#[test]
fn what_was_under_way_on_a_lost_connection_may_have_happened() {
    let mut bench = Bench::connected();
    bench.session.submit(Ticket(1), read(false), at(1), &mut bench.out);
    let events = bench.session.disconnected(bench.connection, at(2), &mut bench.out);
    let lost = KeeperOutcome::Unknown(KeeperError::ConnectionLoss);
    assert_eq!(events, [Event::Disconnected, Event::Answered(Ticket(1), read(false), lost)]);
}

#[test]
fn at_its_next_server_a_client_shows_what_it_has_seen_and_sets_its_watches_again() {
    let mut bench = Bench::connected();
    bench.session.submit(Ticket(1), read(true), at(1), &mut bench.out);
    bench.hear(at(1), reply(1, Zxid::new(1, 5)));
    bench.session.disconnected(bench.connection, at(2), &mut bench.out);
    bench.said();
    bench.timer(at(3), ZooKeeperClientTimer::Reconnect);
    bench.connection = ConnectionId(1);
    assert_eq!(bench.open(at(3)), [Event::Connected { is_new: false }]);
    let said = bench.said();
    let [Frame::ConnectRequest(shown), Frame::ClientRequest(again)] = &said[..] else {
        panic!("{said:?}")
    };
    assert_eq!((shown.session, shown.last_zxid_seen), (SESSION, Zxid::new(1, 5)));
    assert!(matches!(&again.op, Op::SetWatches(watches) if watches.data == ["/a".into()]));
}

#[test]
fn a_watch_that_has_fired_is_not_set_again() {
    let mut bench = Bench::connected();
    bench.session.submit(Ticket(1), read(true), at(1), &mut bench.out);
    bench.hear(at(1), reply(1, Zxid::new(1, 5)));
    let event = WatcherEvent {
        event: EventType::NodeDataChanged,
        path: "/a".into(),
        zxid: Zxid::new(1, 6),
    };
    let events = bench.hear(at(2), Frame::WatcherEvent(Box::new(event.clone())));
    assert_eq!(events, [Event::Watched(event)]);
    assert_eq!(bench.session.watches.to_set_again(Zxid::ZERO), None);
}

#[test]
fn that_its_session_is_over_a_client_learns_from_a_server() {
    let mut bench = Bench::connected();
    bench.session.disconnected(bench.connection, at(2), &mut bench.out);
    bench.timer(at(60), ZooKeeperClientTimer::Reconnect);
    bench.connection = ConnectionId(1);
    bench.session.connected(bench.connection, at(60), &mut bench.out);
    assert_eq!(bench.hear(at(60), connect_response(0)), [Event::Expired]);
}
