//! What was measured, for people and for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::load::Measured;

#[derive(Default)]
pub(crate) struct Report(BTreeMap<String, Figure>);

#[derive(Serialize)]
struct Figure {
    value: f64,
    unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_us: Option<f64>,
}

impl Report {
    /// A number.
    pub(crate) fn number(&mut self, name: &str, value: f64, unit: &str) {
        self.add(name, Figure { value, unit: unit.into(), p50_us: None, p99_us: None });
    }

    /// A rate with its latencies.
    pub(crate) fn rate(&mut self, name: &str, value: f64, unit: &str, measured: &Measured) {
        let (p50_us, p99_us) = (Some(measured.p50_us), Some(measured.p99_us));
        self.add(name, Figure { value, unit: unit.into(), p50_us, p99_us });
    }

    fn add(&mut self, name: &str, figure: Figure) {
        let latency = match (figure.p50_us, figure.p99_us) {
            (Some(p50), Some(p99)) => format!("  p50 {p50:.1} µs  p99 {p99:.1} µs"),
            _ => String::new(),
        };
        println!("{name:<28} {:>14.2}  {}{latency}", figure.value, figure.unit);
        self.0.insert(name.into(), figure);
    }

    /// Writes everything as JSON.
    pub(crate) fn write(&self, path: &str) -> anyhow::Result<()> {
        std::fs::write(path, serde_json::to_vec_pretty(&self.0)?)?;
        println!("written to {path}");
        Ok(())
    }
}
