// Text and numbers as people read them, and what differs between two texts.

const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u{e0000}-\u{e0fff}]/gu;

/** Return a text in which what cannot be seen is spelt out: it looks like what it is. */
function visible(text) {
  return text.replace(HIDDEN, (sign) => {
    const code = sign.codePointAt(0);
    if (code < 0x20) return `^${String.fromCharCode(code ^ 0x40)}`;
    const digits = code.toString(16);
    return code < 0xa0 ? `\\x${digits}` : `<U+${digits.toUpperCase().padStart(4, "0")}>`;
  });
}

const whole = (number) => (number === null ? "–" : number.toLocaleString("en-US"));

function usd(amount) {
  if (amount === null) return "unpriced";
  if (amount === 0) return "$0";
  if (amount < 0.0001) return "<$0.0001";
  return amount < 1 ? `$${amount.toFixed(4)}` : `$${amount.toLocaleString("en-US", { maximumFractionDigits: 2 })}`;
}

function seconds(duration) {
  if (duration === null) return "–";
  const tenths = Math.round(duration * 10) / 10;
  if (tenths < 60) return `${tenths.toFixed(1)} s`;
  const all = Math.round(duration);
  return `${Math.floor(all / 60)} min ${all % 60} s`;
}

/** Return a share in percent: never all where something failed, nor nothing where something passed. */
function percent(share) {
  for (const places of [0, 1, 2]) {
    const shown = (100 * share).toFixed(places);
    const isWhole = Number(shown) === 100 || Number(shown) === 0;
    if (!isWhole || share === 1 || share === 0) return `${shown} %`;
  }
  return share < 0.5 ? "<0.01 %" : ">99.99 %";
}

const plural = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;

const WORDS = /\s+|[\p{L}\p{M}\p{N}_]+|[^]/gu;
const FURTHEST = 800;

/**
 * Return what makes the second text of the first: [sign, text] with "=" for what stays, "-" and "+" for what
 * goes and comes, word by word. Source: Myers 1986, An O(ND) difference algorithm and its variations. Texts
 * that have next to nothing in common are shown as a whole.
 */
function difference(before, after) {
  const a = before.match(WORDS) ?? [];
  const b = after.match(WORDS) ?? [];
  const trace = shortest(a, b);
  if (trace === null) return [["-", before], ["+", after]].filter(([, text]) => text);

  // Back from the end, along the furthest paths.
  const steps = [];
  let x = a.length;
  let y = b.length;
  for (let d = trace.length - 1; d > 0; d -= 1) {
    const reach = trace[d - 1];
    const k = x - y;
    const down = k === -d || (k !== d && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const startX = reach.get(from) ?? 0;
    const startY = startX - from;
    while (x > startX && y > startY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      steps.push(["=", a[(x -= 1)]]);
      y -= 1;
    }
    if (down) steps.push(["+", b[(y -= 1)]]);
    else steps.push(["-", a[(x -= 1)]]);
  }
  while (x > 0) steps.push(["=", a[(x -= 1)]]);

  // Neighbours of one kind in one piece.
  const pieces = [];
  for (const [sign, text] of steps.reverse()) {
    if (pieces.at(-1)?.[0] === sign) pieces.at(-1)[1] += text;
    else pieces.push([sign, text]);
  }
  return pieces;
}

/** Return, for each number of changes, how far each diagonal gets; null where it takes too many. */
function shortest(a, b) {
  const trace = [];
  let reach = new Map([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, FURTHEST); d += 1) {
    const next = new Map();
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
      let x = down ? (reach.get(k + 1) ?? 0) : (reach.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) {
        trace.push(next);
        return trace;
      }
    }
    trace.push(next);
    reach = next;
  }
  return null;
}
