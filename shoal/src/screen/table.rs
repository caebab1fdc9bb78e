//! What runs where, as a table.

/// One process, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is called here.
    pub name: String,
    /// Where others reach it.
    pub address: String,
    /// Its process id, while it has one.
    pub pid: Option<u32>,
    /// How it is.
    pub health: String,
    /// Whether that is well.
    pub tone: Tone,
    /// Its log.
    pub log: String,
}

/// Whether something is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It is.
    Good,
    /// It may be, soon.
    Busy,
    /// It is not.
    Bad,
}

const HEADS: [&str; 5] = ["PROCESS", "ADDRESS", "PID", "HEALTH", "LOG"];

/// Which column the colour is in.
const HEALTH: usize = 3;

/// The widest a cell may be, in characters: one long trouble is not to push the rest out of sight.
const WIDEST: usize = 60;

const GAP: &str = "  ";

/// The lines of the table, each at most `width` characters long.
pub fn lines(rows: &[Row], width: usize, colour: bool) -> Vec<String> {
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let widths: [usize; HEADS.len()] = std::array::from_fn(|column| {
        let column_cells = cells.iter().map(|row| row[column].chars().count());
        column_cells.max().unwrap_or(0).max(HEADS[column].len())
    });
    let head = line(&HEADS.map(str::to_owned), &widths, width, colour.then_some("1"));
    let body = rows.iter().zip(&cells).map(|(row, cells)| {
        let mark = colour.then(|| row.tone.colour());
        line_with_health(cells, &widths, width, mark)
    });
    std::iter::once(head).chain(body).collect()
}

/// `health`, and how often the process was started again.
pub fn with_restarts(health: String, times: u32) -> String {
    match times {
        0 => health,
        1 => health + " (restarted once)",
        times => format!("{health} (restarted {times} times)"),
    }
}

/// `text` in the colour, or bold, that the ANSI code `code` stands for.
pub fn marked(text: &str, code: &str) -> String {
    format!("\x1b[{code}m{text}\x1b[0m")
}

impl Tone {
    /// The ANSI code of its colour.
    pub fn colour(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Busy => "33",
            Self::Bad => "1;31",
        }
    }
}

fn cells(row: &Row) -> [String; HEADS.len()] {
    let pid = row.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let texts = [row.name.clone(), row.address.clone(), pid, row.health.clone(), row.log.clone()];
    texts.map(|text| shortened(&text, WIDEST))
}

fn line(
    cells: &[String; HEADS.len()],
    widths: &[usize; HEADS.len()],
    width: usize,
    mark: Option<&str>,
) -> String {
    let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    let text = shortened(padded.join(GAP).trim_end(), width);
    mark.map_or_else(|| text.clone(), |mark| marked(&text, mark))
}

/// As [`line`], with the health alone marked; where the line is too long for that, it goes without.
fn line_with_health(
    cells: &[String; HEADS.len()],
    widths: &[usize; HEADS.len()],
    width: usize,
    mark: Option<&str>,
) -> String {
    let plain = line(cells, widths, width, None);
    let from: usize = widths[..HEALTH].iter().map(|width| width + GAP.len()).sum();
    let health = cells[HEALTH].chars().count();
    match mark {
        Some(mark) if from + health <= plain.chars().count() => {
            let chars: Vec<_> = plain.chars().collect();
            let part = |range: std::ops::Range<usize>| chars[range].iter().collect::<String>();
            part(0..from) + &marked(&part(from..from + health), mark) + &part(from + health..chars.len())
        }
        _ => plain,
    }
}

fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, pid: Option<u32>, health: &str, tone: Tone) -> Row {
        Row {
            name: name.into(),
            address: "127.0.0.1:17000".into(),
            pid,
            health: health.into(),
            tone,
            log: format!("data/log/{name}.log"),
        }
    }

    #[test]
    fn columns_stand_below_their_heads() {
        let rows = [
            row("gateway", Some(7), "ready", Tone::Good),
            row("msg_server.1", None, "again in 2 s", Tone::Bad),
        ];
        assert_eq!(
            lines(&rows, 200, false),
            [
                "PROCESS       ADDRESS          PID  HEALTH        LOG",
                "gateway       127.0.0.1:17000  7    ready         data/log/gateway.log",
                "msg_server.1  127.0.0.1:17000  -    again in 2 s  data/log/msg_server.1.log",
            ]
        );
    }

    #[test]
    fn restarts_are_told_where_there_were_any() {
        let told = [0, 1, 2].map(|times| with_restarts("ready".into(), times));
        assert_eq!(told, ["ready", "ready (restarted once)", "ready (restarted 2 times)"]);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let rows = [row("gateway", Some(7), &"ä".repeat(100), Tone::Bad)];
        for width in [1, 10, 40, 80, 120] {
            for line in lines(&rows, width, false) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn colour_is_in_the_health_alone_and_changes_no_text() {
        let rows = [row("gateway", Some(7), "ready", Tone::Good)];
        let coloured = lines(&rows, 200, true);
        assert!(coloured[1].contains("7    \x1b[32mready\x1b[0m   data"), "{:?}", coloured[1]);
        let bare = |line: &String| line.replace("\x1b[32m", "").replace("\x1b[1m", "").replace("\x1b[0m", "");
        assert_eq!(coloured.iter().map(bare).collect::<Vec<_>>(), lines(&rows, 200, false));
    }
}
