//! Actual verdicts on an exchange, expected ones, and where the two differ.

/// Expected value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect<T> {
    /// This value.
    Is(T),
    /// Any of these: the vantage does not show which.
    OneOf(Vec<T>),
    /// A value of this range, both bounds included.
    Between(T, T),
    /// Any value: the vantage does not show it.
    Any,
}

impl<T> Expect<T> {
    fn map(self, f: impl Fn(T) -> T) -> Self {
        match self {
            Self::Is(right) => Self::Is(f(right)),
            Self::OneOf(right) => Self::OneOf(right.into_iter().map(f).collect()),
            Self::Between(low, high) => Self::Between(f(low), f(high)),
            Self::Any => Self::Any,
        }
    }
}

impl<T: PartialOrd> Expect<T> {
    /// Returns `Some(true)` if `told` is right; `None` where it is not compared.
    fn allows(&self, told: &T) -> Option<bool> {
        match self {
            Self::Is(right) => Some(right == told),
            Self::OneOf(right) => Some(right.contains(told)),
            Self::Between(low, high) => Some(low <= told && told <= high),
            Self::Any => None,
        }
    }
}

/// The actual verdict on one connection, in the words of the records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// handshake.outcome
    pub outcome: Option<&'static str>,
    /// handshake.kind
    pub opening: Option<&'static str>,
    /// handshake.reset.by
    pub refused_by: Option<&'static str>,
    /// close.kind; none without a close.
    pub kind: Option<&'static str>,
    /// close.initiator
    pub initiator: Option<&'static str>,
    /// close.reset.by
    pub reset_by: Option<&'static str>,
    /// close.reset.cause
    pub cause: Option<&'static str>,
    /// close.time_wait
    pub time_wait: Option<&'static str>,
    /// close.bytes from the client and from the server.
    pub bytes: [Option<u64>; 2],
}

/// The expected verdict on one connection.
#[derive(Clone, Debug)]
pub struct Expected {
    /// handshake.outcome
    pub outcome: Expect<Option<&'static str>>,
    /// handshake.kind
    pub opening: Expect<Option<&'static str>>,
    /// handshake.reset.by
    pub refused_by: Expect<Option<&'static str>>,
    /// close.kind
    pub kind: Expect<Option<&'static str>>,
    /// close.initiator
    pub initiator: Expect<Option<&'static str>>,
    /// close.reset.by
    pub reset_by: Expect<Option<&'static str>>,
    /// close.reset.cause
    pub cause: Expect<Option<&'static str>>,
    /// close.time_wait
    pub time_wait: Expect<Option<&'static str>>,
    /// close.bytes
    pub bytes: [Expect<Option<u64>>; 2],
}

impl Expected {
    /// This verdict with the roles of the ends exchanged.
    pub(crate) fn swapped(self) -> Self {
        let swap = |right: Expect<Option<&'static str>>| {
            right.map(|word| match word {
                Some("client") => Some("server"),
                Some("server") => Some("client"),
                other => other,
            })
        };
        let [up, down] = self.bytes;
        Self {
            refused_by: swap(self.refused_by),
            initiator: swap(self.initiator),
            reset_by: swap(self.reset_by),
            time_wait: swap(self.time_wait),
            bytes: [down, up],
            ..self
        }
    }
}

/// A field with another value than expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// The field.
    pub field: &'static str,
    /// The connection, from 0.
    pub connection: usize,
    /// The actual verdict.
    pub told: String,
    /// Expected value of a field.
    pub right: String,
}

/// Number of values compared for each field, so that a test cannot pass because nothing was compared.
#[derive(Clone, Debug, Default)]
pub struct Compared(pub std::collections::BTreeMap<&'static str, u64>);

/// An event that may begin a connection of its own although it belongs to none of the ends' connections, and the
/// verdict that is right for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stray {
    /// An unanswered SYN: the handshake is `unanswered`, or `reset` for a SYN,ACK that is seen first and refused by a
    /// reset.
    Syn,
    /// A SYN,ACK whose SYN is not visible from there, or a SYN that was to cross another one and came too late. What
    /// follows may belong to either connection.
    Anything,
    /// A segment of a connection that is not known yet: the handshake is `unseen`.
    Unseen,
}

/// The expected verdicts on an exchange.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Those on each connection, in the order in which the connections appear.
    pub connections: Vec<Expected>,
    /// The connection of each event; `None` if that is left open.
    pub owners: Vec<Option<usize>>,
    /// For each event that may begin a connection of its own, the kind of that.
    pub strays: Vec<Option<Stray>>,
}

/// The actual verdicts on an exchange.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Those on each connection, in the order of their numbers.
    pub connections: Vec<Told>,
    /// The connection that each event was assigned to.
    pub owners: Vec<Option<usize>>,
}

impl Truth {
    /// Returns the fields in which `verdict` differs.
    pub fn differences(&self, verdict: &Verdict, compared: &mut Compared) -> Vec<Disagreement> {
        let mut all = Vec::new();
        check("events", 0, &Expect::Is(self.owners.len()), &verdict.owners.len(), compared, &mut all);
        // A connection has the number of the first event that certainly belongs to it.
        let first = |connection| self.owners.iter().position(|&owner| owner == Some(connection));
        let number = |connection| verdict.owners.get(first(connection)?).copied().flatten();
        let numbers: Vec<Option<usize>> = (0..self.connections.len()).map(number).collect();
        let mut extra = 0;
        for (number, told) in verdict.connections.iter().enumerate() {
            if !numbers.contains(&Some(number)) && self.allows_stray(number, told, verdict) {
                extra += 1;
            }
        }
        let (right, told) = (Expect::Is(self.connections.len() + extra), verdict.connections.len());
        // If the assignment is left open, so is the number of connections.
        let open = self.strays.contains(&Some(Stray::Anything)) || numbers.contains(&None);
        let right = if open { Expect::Any } else { right };
        check("connections", 0, &right, &told, compared, &mut all);
        for (at, (right, told)) in self.owners.iter().zip(&verdict.owners).enumerate() {
            if let Some(right) = right {
                let before = all.len();
                check("owner", *right, &Expect::Is(numbers[*right]), told, compared, &mut all);
                if let Some(last) = all.get_mut(before) {
                    last.told += &format!(" (event {at})");
                }
            }
        }
        for (connection, (right, number)) in self.connections.iter().zip(&numbers).enumerate() {
            if let Some(told) = number.and_then(|number| verdict.connections.get(number)) {
                compare(connection, right, told, compared, &mut all);
            }
        }
        all
    }

    /// Returns true if the connection of this number, which is none of the ends' connections, was begun by an event
    /// that may begin one, and its verdict is right for that.
    fn allows_stray(&self, number: usize, told: &Told, verdict: &Verdict) -> bool {
        let first = verdict.owners.iter().position(|&owner| owner == Some(number));
        match first.and_then(|first| self.strays.get(first).copied().flatten()) {
            Some(Stray::Syn) => matches!(told.outcome, Some("unanswered" | "reset")) && told.kind.is_none(),
            Some(Stray::Anything) => true,
            // A connection still open when tracing stops has no record.
            Some(Stray::Unseen) => matches!(told.opening, None | Some("unseen")),
            None => false,
        }
    }
}

fn compare(connection: usize, right: &Expected, told: &Told, compared: &mut Compared, all: &mut Vec<Disagreement>) {
    let words = [
        ("outcome", &right.outcome, told.outcome),
        ("opening", &right.opening, told.opening),
        ("refused_by", &right.refused_by, told.refused_by),
        ("kind", &right.kind, told.kind),
        ("initiator", &right.initiator, told.initiator),
        ("reset_by", &right.reset_by, told.reset_by),
        ("cause", &right.cause, told.cause),
        ("time_wait", &right.time_wait, told.time_wait),
    ];
    for (field, right, told) in words {
        check(field, connection, right, &told, compared, all);
    }
    // Only the record of a close has byte counts.
    if told.kind.is_some() && right.kind != Expect::Is(None) {
        let [up, down] = &right.bytes;
        check("bytes.client_to_server", connection, up, &told.bytes[0], compared, all);
        check("bytes.server_to_client", connection, down, &told.bytes[1], compared, all);
    }
}

fn check<T: PartialOrd + std::fmt::Debug>(
    field: &'static str,
    connection: usize,
    right: &Expect<T>,
    told: &T,
    compared: &mut Compared,
    all: &mut Vec<Disagreement>,
) {
    let Some(agrees) = right.allows(told) else { return };
    *compared.0.entry(field).or_default() += 1;
    if !agrees {
        let (told, right) = (format!("{told:?}"), format!("{right:?}"));
        all.push(Disagreement { field, connection, told, right });
    }
}
