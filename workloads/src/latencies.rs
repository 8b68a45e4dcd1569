//! Latencies of many operations, kept whole: a percentile is a measured value, and no bucket rounds the tail away.

use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct Latencies {
    samples: Vec<Duration>,
    sorted: bool,
}

impl Latencies {
    pub fn push(&mut self, latency: Duration) {
        self.samples.push(latency);
        self.sorted = false;
    }

    pub fn extend(&mut self, other: &Latencies) {
        self.samples.extend_from_slice(&other.samples);
        self.sorted = false;
    }

    pub fn len(&self) -> usize {
        self.samples.len()
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The least latency that is not exceeded by `percent` of the operations. Zero if there were none.
    pub fn percentile(&mut self, percent: f64) -> Duration {
        if !self.sorted {
            self.samples.sort_unstable();
            self.sorted = true;
        }
        let rank = (self.samples.len() as f64 * percent / 100.0).ceil() as usize;
        self.samples.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let mut latencies = Latencies::default();
        (1..=200).rev().for_each(|ms| latencies.push(Duration::from_millis(ms)));
        assert_eq!(latencies.percentile(50.0), Duration::from_millis(100));
        assert_eq!(latencies.percentile(99.0), Duration::from_millis(198));
        assert_eq!(latencies.percentile(100.0), Duration::from_millis(200));
        assert_eq!(Latencies::default().percentile(99.0), Duration::ZERO);
    }
}
