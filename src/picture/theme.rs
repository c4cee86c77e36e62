//! Colours.

crate::choice! {
    /// Which colours a picture has.
    pub enum ThemeName as "theme" {
        /// Dark on white.
        Light = "light",
        /// Light on dark blue.
        Dark = "dark",
    }
}

/// The colours of a theme, as CSS has them.
pub(super) struct Theme {
    pub(super) background: &'static str,
    pub(super) text: &'static str,
    /// Labels of ticks, subtitles.
    pub(super) faint: &'static str,
    pub(super) grid: &'static str,
    /// Axes, and the line of zero.
    pub(super) axis: &'static str,
    pub(super) rising: &'static str,
    pub(super) falling: &'static str,
    /// One after the other for the series.
    pub(super) series: [&'static str; 10],
}

const LIGHT: Theme = Theme {
    background: "#ffffff",
    text: "#111827",
    faint: "#4b5563",
    grid: "#e5e7eb",
    axis: "#9ca3af",
    rising: "#16a34a",
    falling: "#dc2626",
    series: [
        "#2563eb", "#ea580c", "#0d9488", "#9333ea", "#ca8a04", "#db2777", "#0891b2", "#65a30d",
        "#7c2d12", "#475569",
    ],
};

const DARK: Theme = Theme {
    background: "#0f172a",
    text: "#f1f5f9",
    faint: "#94a3b8",
    grid: "#1e293b",
    axis: "#64748b",
    rising: "#22c55e",
    falling: "#f87171",
    series: [
        "#60a5fa", "#fb923c", "#2dd4bf", "#c084fc", "#facc15", "#f472b6", "#22d3ee", "#a3e635",
        "#d6a784", "#cbd5e1",
    ],
};

/// Dashes for series beyond the tenth, which have the colours of the first again.
const DASHES: [Option<&str>; 4] = [None, Some("7 4"), Some("2 3"), Some("10 3 2 3")];

impl Theme {
    pub(super) fn of(name: ThemeName) -> &'static Self {
        match name {
            ThemeName::Light => &LIGHT,
            ThemeName::Dark => &DARK,
        }
    }

    /// The colour of the n-th series, and the dashes of its line.
    pub(super) fn series(&self, number: usize) -> (&'static str, Option<&'static str>) {
        let colours = self.series.len();
        let dash = DASHES[number / colours % DASHES.len()];
        (self.series[number % colours], dash)
    }
}
