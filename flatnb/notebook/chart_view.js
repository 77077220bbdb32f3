// A chart of bars by Lightweight Charts: candles with volume of one ticker, or the changes of several
// in percent. Times are seconds of the exchange's clock as if that were UTC, as the library draws UTC.
const COLOURS = ["#1976d2", "#d9730d", "#2e9e5b", "#b0519c", "#8a6d3b", "#5b6abf", "#c0392b", "#16869c"];

function colour(el, name) {
  return getComputedStyle(el).getPropertyValue(name).trim();
}

// The colour with another opacity, which the library wants as rgba().
function faded(text, opacity) {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.fillStyle = text;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}

// Shades the pre- and post-market and draws a line where a day begins.
class SessionBands {
  constructor(el) { Object.assign(this, { el, bars: null, chart: null }); }

  attached({ chart, requestUpdate }) { Object.assign(this, { chart, requestUpdate }); }

  paneViews() {
    return [{ zOrder: () => "bottom", renderer: () => ({ draw: (target) => this.draw(target) }) }];
  }

  draw(target) {
    const { bars, chart } = this;
    if (!bars || !chart) return;
    const scale = chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (!range) return;
    const half = scale.options().barSpacing / 2;
    const shade = faded(colour(this.el, "--fn-text"), 0.06);
    const line = faded(colour(this.el, "--fn-text"), 0.22);
    target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio }) => {
      const last = Math.min(bars.time.length - 1, Math.ceil(range.to));
      for (let index = Math.max(0, Math.floor(range.from)); index <= last; index++) {
        const x = scale.logicalToCoordinate(index);
        if (x === null) continue;
        const left = Math.round((x - half) * horizontalPixelRatio);
        if (bars.session[index] === "pre" || bars.session[index] === "post") {
          const right = Math.round((x + half) * horizontalPixelRatio);
          context.fillStyle = shade;
          context.fillRect(left, 0, right - left, bitmapSize.height);
        }
        if (index && Math.floor(bars.time[index] / 86400) !== Math.floor(bars.time[index - 1] / 86400)) {
          context.fillStyle = line;
          context.fillRect(left, 0, Math.max(1, Math.round(horizontalPixelRatio)), bitmapSize.height);
        }
      }
    });
  }
}

class ChartView {
  constructor(el, height = 360) {
    this.el = el;
    this.legend = Object.assign(document.createElement("div"), { className: "flatnb-legend-line" });
    this.box = Object.assign(document.createElement("div"), { className: "flatnb-chart-box" });
    this.box.style.height = `${height}px`;
    this.node = document.createElement("div");
    this.node.append(this.legend, this.box);
    this.series = [];
    this.observer = new MutationObserver(() => this.colours());
    this.observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  }

  // The library measures its box, so the chart is made when that is part of the page.
  make() {
    this.chart = LightweightCharts.createChart(this.box, { autoSize: true });
    this.chart.subscribeCrosshairMove((event) => this.describe(event.logical));
    this.colours();
  }

  colours() {
    if (!this.chart) return;
    const text = colour(this.el, "--fn-text");
    const lines = { color: faded(text, 0.08) };
    const border = { borderColor: faded(text, 0.25) };
    this.chart.applyOptions({
      layout: { background: { color: faded(colour(this.el, "--fn-background"), 1) }, textColor: faded(text, 0.85), fontSize: 11 },
      grid: { vertLines: lines, horzLines: lines },
      rightPriceScale: border,
      timeScale: border,
    });
    const [up, down] = [colour(this.el, "--fn-good"), colour(this.el, "--fn-bad")];
    for (const { line, volume, bars } of this.series) {
      if (!volume) continue;
      line.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
      volume.setData(bars.time.map((time, index) => ({
        time, value: bars.volume[index], color: faded(bars.close[index] >= bars.open[index] ? up : down, 0.45),
      })));
    }
  }

  draw({ series, within_days: withinDays }) {
    if (!this.chart) this.make();
    for (const { line, volume } of this.series) {
      this.chart.removeSeries(line);
      if (volume) this.chart.removeSeries(volume);
    }
    const single = series.length === 1;
    this.series = series.map((bars, index) => (single ? this.candles(bars) : this.percent(bars, index)));
    this.chart.priceScale("right").applyOptions({
      mode: single ? LightweightCharts.PriceScaleMode.Normal : LightweightCharts.PriceScaleMode.Percentage,
      scaleMargins: { top: 0.06, bottom: single ? 0.24 : 0.06 },
    });
    this.chart.timeScale().applyOptions({ timeVisible: withinDays, secondsVisible: false });
    if (withinDays && this.series.length) {
      const bands = new SessionBands(this.el);
      [bands.bars] = series;
      this.series[0].line.attachPrimitive(bands);
    }
    this.colours();
    this.chart.timeScale().fitContent();
    this.describe(null);
  }

  candles(bars) {
    const line = this.chart.addSeries(LightweightCharts.CandlestickSeries, {});
    line.setData(bars.time.map((time, index) => ({
      time, open: bars.open[index], high: bars.high[index], low: bars.low[index], close: bars.close[index],
    })));
    const volume = this.chart.addSeries(LightweightCharts.HistogramSeries, {
      priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false,
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.8, bottom: 0 } });
    return { line, volume, bars };
  }

  percent(bars, index) {
    const line = this.chart.addSeries(LightweightCharts.LineSeries, {
      color: COLOURS[index % COLOURS.length], lineWidth: 2, title: bars.symbol, priceLineVisible: false,
    });
    line.setData(bars.time.map((time, at) => ({ time, value: bars.close[at] })));
    return { line, bars };
  }

  // The bar below the crosshair, or the last one, in words.
  describe(logical) {
    if (this.series.length !== 1) {
      this.legend.textContent = this.series.length ? "change in percent since the first bar in view" : "";
      return;
    }
    const { bars } = this.series[0];
    if (!bars.time.length) { this.legend.textContent = "no bars"; return; }
    const index = Math.min(Math.max(Math.round(logical ?? bars.time.length - 1), 0), bars.time.length - 1);
    const when = new Date(bars.time[index] * 1000).toISOString().slice(0, 16).replace("T", " ").replace(" 00:00", "");
    const price = (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
    const named = ["open", "high", "low", "close"].map((name) => `${name} ${price(bars[name][index])}`);
    const session = { pre: " · pre-market", post: " · post-market" }[bars.session[index]] ?? "";
    this.legend.textContent = `${bars.symbol} · ${when} · ${named.join("  ")}  volume ${Math.round(bars.volume[index]).toLocaleString("en-US")}${session}`;
  }

  close() {
    this.observer.disconnect();
    this.chart?.remove();
  }
}
