//! What pictures look like.

use resvg::tiny_skia::Pixmap;
use serde_json::json;

use super::{draw, read};
use crate::support::attempt::Attempt;

const GREEN: (u8, u8, u8) = (0x16, 0xa3, 0x4a);
const RED: (u8, u8, u8) = (0xdc, 0x26, 0x26);

fn colour(picture: &Pixmap, x: u32, y: u32) -> (u8, u8, u8) {
    let pixel = picture.pixel(x, y).unwrap();
    (pixel.red(), pixel.green(), pixel.blue())
}

/// The columns of pixels that have a colour below the legend, each with its first and last row.
fn columns(picture: &Pixmap, wanted: (u8, u8, u8)) -> Vec<(u32, u32, u32)> {
    let rows = || picture.height() / 4..picture.height();
    (0..picture.width())
        .filter_map(|x| {
            let mut found = rows().filter(|y| colour(picture, x, *y) == wanted);
            let first = found.next()?;
            Some((x, first, found.next_back().unwrap_or(first)))
        })
        .collect()
}

#[tokio::test]
async fn candles_have_their_colours_and_sizes() {
    let attempt = Attempt::new().file(
        "in.csv",
        "day,o,h,l,c\n2026-08-20,100,130,90,120\n2026-08-21,120,125,60,80\n",
    );
    let plot = json!({
        "from": "in.csv",
        "candlestick": { "x": "day", "open": "o", "high": "h", "low": "l", "close": "c" },
        "title": "Two days", "size": "600x400", "scale": 1, "to": "out.png",
    });
    draw(&attempt, &plot).await;
    let picture = Pixmap::decode_png(&read(&attempt, "out.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (600, 400));
    assert_eq!(colour(&picture, 0, 0), (255, 255, 255));
    let mut sizes = Vec::new();
    for (wanted, wick, body) in [(GREEN, 40.0, 20.0), (RED, 65.0, 40.0)] {
        let found = columns(&picture, wanted);
        let heights = found
            .iter()
            .map(|(_, first, last)| f64::from(last - first) + 1.0);
        let tallest = heights.clone().fold(0.0, f64::max);
        let shortest = heights.fold(f64::MAX, f64::min);
        sizes.push((tallest / wick, shortest / body));
        assert!(found.len() > 30, "a body is wide: {}", found.len());
    }
    // Pixels for each unit of price: the same for wicks and bodies of both.
    let scale = sizes[0].0;
    for (wick, body) in sizes {
        for found in [wick, body] {
            assert!((found / scale - 1.0).abs() < 0.05, "{found} {scale}");
        }
    }
}

#[tokio::test]
async fn a_png_is_as_large_as_its_scale_says() {
    for (scale, theme, size, corner) in [
        (json!(null), "light", (2400, 1350), (255, 255, 255)),
        (json!(1), "dark", (1200, 675), (0x0f, 0x17, 0x2a)),
    ] {
        let attempt = Attempt::new().file("in.csv", "n,v\n1,2\n");
        let plot = json!({
            "from": "in.csv", "line": { "x": "n", "y": "v" }, "scale": scale, "theme": theme,
            "to": "{{ run.dag }}.PNG",
        });
        draw(&attempt, &plot).await;
        let picture = Pixmap::decode_png(&read(&attempt, "dag.PNG")).unwrap();
        assert_eq!((picture.width(), picture.height()), size);
        assert_eq!(colour(&picture, 1, 1), corner);
    }
}
