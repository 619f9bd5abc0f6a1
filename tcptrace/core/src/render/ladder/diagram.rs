//! A whole connection as one diagram, for formats other than lines of text: the rows of its ladders in words, and its
//! verdicts where they were reached.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::{
    block::Unit,
    cells::{Arrow, Cells, Wording},
    glyphs::Drawing,
    open_block::End,
    open_blocks::OpenBlocks,
    rows::{Row, Rows},
    styled_text::Styled,
};
use crate::{
    event::Role,
    output_record::{CloseOutput, HandshakeOutput, Joined, OutputRecord, Stamp},
    render::{joined, mood::Mood},
    verdict::{Each, Reset, ResetCause},
};

/// The last note about a connection that was evicted.
const FORGOTTEN: &str = "forgotten: there was no room for more connections (--max-connections)";

/// A connection from its first event to its last record.
#[derive(Debug)]
pub(in crate::render) struct Diagram {
    pub(in crate::render) conn: u64,
    pub(in crate::render) ends: Each<End>,
    /// Layers of its encapsulation, if it has any.
    pub(in crate::render) encapsulation: Option<Arc<[String]>>,
    /// Time of its first event, if there is any.
    pub(in crate::render) began: Option<Stamp>,
    /// Its outcome, in the words of the records: `refused (no_listener)`.
    pub(in crate::render) verdict: String,
    pub(in crate::render) steps: Vec<Step>,
}

/// A row of a diagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::render) enum Step {
    /// A socket changed its state, or something was learnt about it.
    State { time: String, side: Role, text: String },
    /// A segment or an ICMP error, which was sent `from_between` the ends or by one of them, and `stopped` on its way or not.
    Arrow { time: String, from: Role, from_between: bool, stopped: bool, label: String, details: String },
    /// A verdict, a stall, or a number of events left out.
    Note { mood: Option<Mood>, text: String },
}

/// Collects the records of connections until they are whole.
#[derive(Debug)]
pub(in crate::render) struct Diagrams {
    drawing: Drawing,
    blocks: OpenBlocks,
    begun: HashMap<u64, Diagram>,
}

impl Diagrams {
    pub(in crate::render) fn new(drawing: Drawing) -> Self {
        Self { drawing, blocks: OpenBlocks::default(), begun: HashMap::new() }
    }

    /// Takes a record. Returns a connection if the record is its last one.
    pub(in crate::render) fn take(&mut self, record: &OutputRecord) -> Option<Diagram> {
        match record {
            OutputRecord::State(state) if !state.late => {
                if let Some(conn) = state.conn {
                    self.blocks.of(conn).rows.push(Row::State(state.clone()));
                }
            }
            OutputRecord::Segment(segment) if !segment.late => {
                self.blocks.of(segment.conn).rows.push(Row::Segment(segment.clone()));
            }
            OutputRecord::Icmp(icmp) if !icmp.late => self.blocks.of(icmp.conn).rows.push(Row::Icmp(icmp.clone())),
            OutputRecord::Hint(hint) if !hint.late => {
                if let Some(conn) = hint.conn {
                    self.blocks.of(conn).hint(hint);
                }
            }
            OutputRecord::Drop(dropped) if !dropped.late => {
                if let Some(conn) = dropped.conn {
                    self.blocks.of(conn).rows.push(Row::Drop(dropped.clone()));
                }
            }
            OutputRecord::Handshake(HandshakeOutput { record, encapsulation, joined, .. }) => {
                let Some(mood) = Mood::of_handshake(record) else {
                    self.blocks.of(record.conn).unseen = Some(record.summary.clone());
                    return None;
                };
                let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
                let diagram = self.draw(record.conn, ends, encapsulation.as_ref());
                diagram.steps.push(Step::Note { mood: Some(mood), text: record.summary.clone() });
                if let Some(outcome) = record.failure() {
                    diagram.verdict = verdict(outcome.into(), record.reset);
                    diagram.steps.extend(known_elsewhere(joined.as_deref()));
                }
                if record.failure().is_some() {
                    return self.begun.remove(&record.conn);
                }
            }
            OutputRecord::Close(CloseOutput { record, encapsulation, joined, .. }) => {
                let unseen = self.blocks.of(record.conn).unseen.take();
                let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
                let diagram = self.draw(record.conn, ends, encapsulation.as_ref());
                diagram.steps.extend(unseen.map(|text| Step::Note { mood: Some(Mood::Pending), text }));
                diagram.steps.push(Step::Note { mood: Some(Mood::of_close(record)), text: record.summary.clone() });
                diagram.verdict = verdict(record.kind.into(), record.reset);
                diagram.steps.extend(known_elsewhere(joined.as_deref()));
                return self.begun.remove(&record.conn);
            }
            OutputRecord::Stalled(stalled) => {
                let record = &stalled.record;
                let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
                let mut steps = self.steps(record.conn, &ends);
                let diagram = self.diagram_of(record.conn, ends);
                // Of a stall that lasts, only the latest report is shown.
                if steps.is_empty()
                    && matches!(diagram.steps.last(), Some(Step::Note { mood: Some(Mood::Pending), .. }))
                {
                    diagram.steps.pop();
                }
                let text = format!("{}: {}", record.word(), record.summary);
                steps.push(Step::Note { mood: Some(Mood::Pending), text });
                diagram.steps.extend(steps);
            }
            OutputRecord::Evicted(evicted) => {
                let _not_drawn = self.blocks.take(evicted.conn);
                let mut diagram = self.begun.remove(&evicted.conn)?;
                diagram.steps.push(Step::Note { mood: Some(Mood::Pending), text: FORGOTTEN.to_owned() });
                diagram.verdict = "evicted".to_owned();
                return Some(diagram);
            }
            _ => {}
        }
        None
    }

    /// Returns the connections that are open at the end, as far as recorded, in the order of their numbers.
    pub(in crate::render) fn open(&mut self) -> Vec<Diagram> {
        self.blocks.clear();
        let mut open: Vec<Diagram> = self.begun.drain().map(|(_, diagram)| diagram).collect();
        open.sort_unstable_by_key(|diagram| diagram.conn);
        open.iter_mut().for_each(|diagram| diagram.verdict = "open".to_owned());
        open
    }

    /// Adds the rows that have not been drawn yet.
    fn draw(&mut self, conn: u64, ends: Each<End>, encapsulation: Option<&Arc<[String]>>) -> &mut Diagram {
        let began = self.blocks.of(conn).rows.iter().next().map(|row| *row.stamp());
        let steps = self.steps(conn, &ends);
        let diagram = self.diagram_of(conn, ends);
        diagram.began = diagram.began.or(began);
        diagram.encapsulation = diagram.encapsulation.take().or_else(|| encapsulation.map(Arc::clone));
        diagram.steps.extend(steps);
        diagram
    }

    /// Returns the diagram of a connection so far, with its ends as they are known now.
    fn diagram_of(&mut self, conn: u64, ends: Each<End>) -> &mut Diagram {
        let new = || Diagram {
            conn,
            ends: ends.clone(),
            encapsulation: None,
            began: None,
            verdict: String::new(),
            steps: Vec::new(),
        };
        let diagram = self.begun.entry(conn).or_insert_with(new);
        diagram.ends = ends;
        diagram
    }

    /// Takes the rows of a connection that have not been drawn yet, in words.
    fn steps(&mut self, conn: u64, ends: &Each<End>) -> Vec<Step> {
        let block = self.blocks.take(conn);
        let rows: &Rows = &block.rows;
        let unit = Unit::of(rows.iter().filter_map(Row::since_start_ns).max());
        let wording = Wording { drawing: self.drawing, ends };
        let (first, left_out, last) = rows.parts();
        let step = |row: &Row| step(unit.time(row.since_start_ns()).to_string(), wording.row(row));
        let mut steps: Vec<Step> = first.iter().map(step).collect();
        if left_out.count > 0 {
            steps.push(step_of_words(&wording.left_out(left_out)));
        }
        steps.extend(last.map(step));
        steps
    }
}

/// Returns the word of an outcome or a kind, with the cause of the reset if it is known.
fn verdict(word: &'static str, reset: Option<Reset>) -> String {
    match reset.map(|reset| reset.cause) {
        Some(cause) if cause != ResetCause::Unknown => format!("{word} ({})", <&'static str>::from(cause)),
        _ => word.to_owned(),
    }
}

/// Returns notes about what other hosts know of the connection.
fn known_elsewhere(joined: Option<&Joined>) -> impl Iterator<Item = Step> {
    joined.into_iter().flat_map(joined::lines).map(|text| Step::Note { mood: None, text })
}

fn step(time: String, cells: Cells) -> Step {
    match cells {
        Cells::State { side, change, notes } => {
            let notes = notes.iter().map(|note| words(&note.whole));
            Step::State { time, side, text: [words(&change)].into_iter().chain(notes).collect::<Vec<_>>().join(", ") }
        }
        Cells::Arrow(Arrow { from, from_between, stopped, label, more, number, details, .. }) => {
            let label = [label.into_owned()].into_iter().chain(more).chain(number).collect::<Vec<_>>().join(" ");
            let details: Vec<&str> = details.pieces().map(|(_, piece)| piece).collect();
            Step::Arrow { time, from, from_between, stopped, label, details: details.join(" ") }
        }
        cells @ Cells::Dots { .. } => step_of_words(&cells),
    }
}

/// Returns a step with the words of interrupted lifelines.
fn step_of_words(cells: &Cells) -> Step {
    let text = match cells {
        Cells::Dots { words, .. } => self::words(words),
        Cells::State { .. } | Cells::Arrow(_) => String::new(),
    };
    Step::Note { mood: None, text }
}

fn words(styled: &Styled) -> String {
    styled.pieces().map(|(_, piece)| piece).collect()
}
