//! What a bench shows while it runs: on a terminal a bar, figures and a histogram, drawn over and
//! over in the same place; elsewhere nothing.

use tokio::{task::JoinHandle, time::Instant};

use super::{
    chart::chart,
    load::Progress,
    tally::{Counted, Tally},
};
use crate::output::{Output, Style, clean, micros, share};

/// The width of the bar, in characters.
const BAR: usize = 40;
/// The widest line that is drawn.
const WIDEST: usize = 100;

/// The screen of a bench.
pub(super) struct Screen {
    output: Output,
    title: String,
    /// How many lines were drawn last, which the next drawing takes the place of.
    drawn: usize,
    /// How many calls had ended at the last drawing, and when that was.
    before: Option<(u64, Instant)>,
    /// Writing goes on beside the calls, which a terminal that is stopped must not hold up.
    writing: Option<JoinHandle<()>>,
}

impl Screen {
    /// A screen that shows nothing yet.
    pub(super) fn new(output: Output, title: &str) -> Screen {
        Screen { output, title: clean(title).into_owned(), drawn: 0, before: None, writing: None }
    }

    /// Draws how it stands, where somebody looks at it and has read what was drawn before.
    pub(super) fn draw(&mut self, at: Progress, tally: &Tally) {
        let busy = self.writing.as_ref().is_some_and(|writing| !writing.is_finished());
        if !self.output.terminal || self.output.json || busy {
            return;
        }
        let counted = tally.counted();
        let rate = self.rate(&counted);
        let (width, height) = self.output.size();
        let mut lines = self.lines(at, &counted, rate, width.min(WIDEST));
        // What has left the screen at its top cannot be drawn over.
        lines.truncate(height.saturating_sub(1));
        let mut text = self.clear();
        self.drawn = lines.len();
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        self.write(text);
    }

    /// Takes away what was drawn.
    pub(super) async fn close(&mut self) {
        if let Some(writing) = self.writing.take() {
            // It ends when the terminal has taken what is written.
            _ = writing.await;
        }
        if self.drawn > 0 {
            self.write(self.clear());
            self.drawn = 0;
        }
        if let Some(writing) = self.writing.take() {
            _ = writing.await;
        }
    }

    fn write(&mut self, text: String) {
        let output = self.output;
        // A terminal that has gone needs no drawing.
        self.writing = Some(tokio::task::spawn_blocking(move || _ = output.write(text)));
    }

    /// Back to the first line that was drawn, and nothing below it.
    fn clear(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\x1b[{}A\r\x1b[J", self.drawn) }
    }

    /// The calls that have ended per second since the last drawing.
    fn rate(&mut self, counted: &Counted) -> f64 {
        let (now, ended) = (Instant::now(), counted.calls());
        let (before, then) = self.before.replace((ended, now)).unwrap_or((0, now));
        let seconds = now.saturating_duration_since(then).as_secs_f64();
        if seconds > 0.0 { ended.saturating_sub(before) as f64 / seconds } else { 0.0 }
    }

    fn lines(&self, at: Progress, counted: &Counted, rate: f64, width: usize) -> Vec<String> {
        let (done, what) = match at {
            Progress::WarmUp(done) => (done, "warming up".to_owned()),
            Progress::Counting(done) => (done, format!("{:.0}%", done * 100.0)),
            Progress::Ending => (1.0, "waiting for the last calls; Ctrl-C does not".to_owned()),
        };
        let full = (done * BAR as f64) as usize;
        let rest = self.output.paint(Style::Dim, "─".repeat(BAR - full));
        let (ok, failed) = (&counted.ok, counted.failed.count);
        let mut lines = vec![
            self.output.paint(Style::Bold, cut(&self.title, width)),
            format!("{}{rest} {what}", self.output.paint(Style::Good, "━".repeat(full))),
            format!("{rate:.0} calls/s   {} in flight   {} ok", counted.in_flight, ok.count),
        ];
        if failed > 0 {
            let codes: Vec<_> = counted.errors().iter().map(|(code, count)| format!("{code} {count}")).collect();
            let text = format!("{failed} failed ({}): {}", share(failed, counted.calls()), codes.join(", "));
            lines.push(self.output.paint(Style::Bad, cut(&text, width)));
        }
        if counted.late > 0 {
            let text = format!("{} late: as many as may run are running, or this machine is busy", counted.late);
            lines.push(self.output.paint(Style::Warn, cut(&text, width)));
        }
        if ok.count > 0 {
            let (p50, p99) = (micros(ok.p50_us), micros(ok.p99_us));
            lines.push(format!("p50 {p50}   p99 {p99}   max {}", micros(ok.max_us)));
            lines.push(String::new());
            lines.extend(chart(ok, width, &self.output));
        }
        lines
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use motet::Status;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_drawn_fits_the_width_and_a_usual_terminal() {
        let output = Output { json: false, terminal: true, colour: false };
        let screen = Screen::new(output, &format!("greeter/hello {}", "x".repeat(200)));
        let (now, late) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        let tally = Tally::new(now, late);
        for ms in 0..2000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            let error = (ms % 9 == 0).then(|| Status::resource_exhausted("full"));
            tally.begin(now, true).end(now, error);
        }
        for at in [Progress::WarmUp(0.5), Progress::Counting(0.25), Progress::Ending] {
            let lines = screen.lines(at, &tally.counted(), 1234.5, 90);
            assert!(lines.len() < 23 && lines.iter().all(|line| line.chars().count() <= 90), "{lines:#?}");
            assert!(lines.iter().any(|line| line.contains("RESOURCE_EXHAUSTED 223")), "{lines:#?}");
        }
    }
}
