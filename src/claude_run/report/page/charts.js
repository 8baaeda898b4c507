// Pass rates with their intervals, and cost against pass rate, as inline SVG.

const NICE = [1, 2, 2.5, 5, 10];
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5];
const MOST_TICKS = 4;

/** Draw a pass rate and its interval on a line from 0 to 100 %. */
function RateLine({ arm }) {
  if (arm.rate === null) return html`<span class="soft">not measured</span>`;
  const at = (share) => 4 + 152 * share;
  const label = `${percent(arm.rate)} passed, 95 % interval ${percent(arm.low)} to ${percent(arm.high)}`;
  return html`<svg class="rate" viewBox="0 0 160 16" role="img" aria-label=${label}>
    <line class="axis" x1="4" x2="156" y1="8" y2="8" />
    <line class="reach" x1=${at(arm.low)} x2=${at(arm.high)} y1="8" y2="8" />
    <circle cx=${at(arm.rate)} cy="8" r="4" />
  </svg>`;
}

/** Draw what a conversation costs against how many pass, a point for each arm. */
function CostAgainstRate({ arms }) {
  const shown = arms.filter((arm) => arm.rate !== null && arm.cost !== null);
  if (shown.length < 2) return null;
  const [width, height, left, right, top, bottom] = [360, 168, 42, 14, 10, 36];
  const most = niceCeiling(Math.max(...shown.map((arm) => arm.cost)));
  const least = Math.min(...shown.map((arm) => arm.low));
  const step = STEPS.find((each) => (1 - least) / each <= MOST_TICKS);
  const lowest = Math.max(0, Math.floor(least / step) * step);
  const x = (cost) => left + ((width - left - right) * cost) / (most || 1);
  const y = (share) => top + ((height - top - bottom) * (1 - share)) / (1 - lowest || 1);
  const ticks = Array.from({ length: Math.round((1 - lowest) / step) + 1 }, (_, at) => lowest + at * step);
  // Points are numbered as in the table; where two lie on each other, their numbers stand below each other.
  const places = [];
  for (const arm of shown) {
    const place = { x: x(arm.cost), y: y(arm.rate), label: y(arm.rate) - 8 };
    while (places.some((other) => Math.abs(other.x - place.x) < 14 && Math.abs(other.label - place.label) < 11)) place.label += 11;
    places.push(place);
  }
  const said = shown.map((arm) => `${arm.name}: ${percent(arm.rate)} at ${usd(arm.cost)}`).join("; ");
  return html`<figure class="scatter">
    <figcaption>Cost of a conversation against pass rate</figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label=${`Cost against pass rate. ${visible(said)}`}>
      ${ticks.map((share) => html`<g><line class="grid" x1=${left} x2=${width - right} y1=${y(share)} y2=${y(share)} />
        <text x=${left - 6} y=${y(share) + 4} text-anchor="end">${percent(share)}</text></g>`)}
      ${[0, 0.5, 1].map((part) => html`<text x=${x(part * most)} y=${height - 20}
        text-anchor=${part === 1 ? "end" : part ? "middle" : "start"}>${usd(part * most)}</text>`)}
      <text class="title" x=${(width + left) / 2} y=${height - 4} text-anchor="middle">cost of a conversation</text>
      ${shown.map((arm, at) => html`<g class="point">
        <line class="reach" x1=${places[at].x} x2=${places[at].x} y1=${y(arm.high)} y2=${y(arm.low)} />
        <circle cx=${places[at].x} cy=${places[at].y} r="4.5" />
        <text x=${places[at].x + (places[at].x > width - 30 ? -8 : 8)} y=${places[at].label + 12}
          text-anchor=${places[at].x > width - 30 ? "end" : "start"}>${arms.indexOf(arm) + 1}</text></g>`)}
    </svg>
  </figure>`;
}

function niceCeiling(most) {
  if (most <= 0) return 0;
  const unit = 10 ** Math.floor(Math.log10(most));
  return NICE.find((step) => step * unit >= most * 0.999) * unit;
}
