// The conversations as a table: a row for each case, a column for each model and variant. Only the rows that
// are in view exist, however many there are.

const OUTCOMES = ["failed", "errored", "passed", "skipped"];
const ROW = 60;
const AHEAD = 12;

const SHAPES = {
  passed: "M3 8.5 6.5 12 13 4.5",
  failed: "M4 4 12 12M12 4 4 12",
  errored: "M8 3v6M8 12v.5",
  skipped: "M4 8h8",
  mixed: "M3 5.5 5 7.5 8.5 3.5M9.5 9.5l4 4M13.5 9.5l-4 4",
};

/** Show an outcome by its shape; the colour says the same. */
function Mark({ outcome }) {
  return html`<svg class="mark ${outcome}" viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[outcome]} /></svg>`;
}

/** Return what the attempts of a cell came to together. */
function together(outcomes) {
  const kinds = new Set(outcomes);
  if (kinds.size === 1) return outcomes[0];
  return kinds.has("errored") ? "errored" : kinds.has("failed") ? (kinds.has("passed") ? "mixed" : "failed") : "passed";
}

const WORST = { errored: 0, failed: 1, mixed: 2, skipped: 3, passed: 4 };

/** Group the conversations of the index: what row and column each belongs to. */
function grouped(index) {
  const rows = index.cases.map((each, number) => ({ ...each, number, cells: new Map() }));
  index.conversations.forEach((each, number) => {
    const { cells } = rows[each.case];
    if (!cells.has(each.arm)) cells.set(each.arm, []);
    cells.get(each.arm).push(number);
  });
  return rows;
}

/** Return the rows that fit the filters, in the order that is wanted. */
function chosen(rows, index, library, { words, outcomes, scenario, tag, changed, order }) {
  const fits = (number) => {
    const { outcome } = index.conversations[number];
    return (!outcomes.size || outcomes.has(outcome)) && (!words.length || library.has(number, words));
  };
  const found = [];
  for (const row of rows) {
    if (scenario && row.scenario !== scenario) continue;
    if (tag && !row.tags.includes(tag)) continue;
    if (changed && !row.changed) continue;
    const numbers = [...row.cells.values()].flat();
    if (!numbers.some(fits)) continue;
    const worst = Math.min(...[...row.cells.values()].map((cell) => WORST[stateOf(cell, index)]));
    found.push({ row, worst });
  }
  if (order === "worst") found.sort((one, other) => one.worst - other.worst || one.row.number - other.row.number);
  return found.map(({ row }) => row);
}

const stateOf = (cell, index) => together(cell.map((number) => index.conversations[number].outcome));

function Matrix({ rows, index, open }) {
  const table = useRef(null);
  const [view, setView] = useState({ first: 0, last: 40 });
  const [focus, setFocus] = useState({ row: 0, arm: 0 });
  const follow = useRef(false);

  // The rows in view, and some ahead.
  useLayoutEffect(() => {
    let due = 0;
    const look = () => {
      due = 0;
      const top = table.current.tBodies[0].getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(-top / ROW) - AHEAD);
      const last = Math.min(rows.length, Math.max(first, Math.ceil((innerHeight - top) / ROW)) + AHEAD);
      setView((now) => (now.first === first && now.last === last ? now : { first, last }));
    };
    const soon = () => {
      due ||= requestAnimationFrame(look);
    };
    look();
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
      cancelAnimationFrame(due);
    };
  }, [rows]);

  // Arrow keys move from cell to cell, also to rows that are not there yet.
  useLayoutEffect(() => {
    if (!follow.current) return;
    const cell = table.current.querySelector(`[data-cell="${focus.row}-${focus.arm}"]`);
    if (cell) {
      follow.current = false;
      cell.focus();
      cell.scrollIntoView({ block: "nearest" });
    } else {
      scrollBy(0, table.current.tBodies[0].getBoundingClientRect().top + focus.row * ROW - innerHeight / 2);
    }
  }, [focus, view]);
  const move = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    follow.current = true;
    setFocus((now) => {
      const row = Math.min(rows.length - 1, Math.max(0, now.row + step[0]));
      if (step[0]) return { row, arm: nearest(rows[row], now.arm) };
      const beside = armsOf(rows[row]).filter((arm) => (arm - now.arm) * step[1] > 0);
      return { row, arm: beside.length ? beside[step[1] > 0 ? 0 : beside.length - 1] : nearest(rows[row], now.arm) };
    });
  };

  const { first } = view;
  const last = Math.min(view.last, rows.length);
  // One cell that is there can be reached by the tabulator key.
  const stop = focus.row >= first && focus.row < last ? focus.row : first;
  const stopArm = stop < rows.length ? nearest(rows[stop], focus.arm) : 0;
  const several = index.arms.length > 1;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Cases"><table class="matrix" style=${{ "--arms": index.arms.length }} ref=${table} aria-rowcount=${rows.length + 1} onKeyDown=${move}>
    <thead><tr>
      <th scope="col">Case</th>
      ${index.arms.map((arm) => html`<th scope="col" class="arm">${several ? visible(arm.name) : "Outcome"}</th>`)}
    </tr></thead>
    <tbody>
      ${first > 0 && html`<tr aria-hidden="true" class="gap"><td style=${{ height: `${first * ROW}px` }} /></tr>`}
      ${rows.slice(first, last).map((row, at) => html`<${Row} key=${row.number} row=${row} at=${first + at}
        index=${index} open=${open} focus=${stop === first + at ? stopArm : -1}
        focused=${(arm) => setFocus({ row: first + at, arm })} />`)}
      ${last < rows.length && html`<tr aria-hidden="true" class="gap"><td style=${{ height: `${(rows.length - last) * ROW}px` }} /></tr>`}
    </tbody>
  </table></div>`;
}

const armsOf = (row) => [...row.cells.keys()].sort((one, other) => one - other);

/** Return the cell of a row that is nearest to a column: not every model has played every case. */
const nearest = (row, arm) => armsOf(row).reduce((best, each) => (Math.abs(each - arm) < Math.abs(best - arm) ? each : best));

function Row({ row, at, index, open, focus, focused }) {
  const failing = [...row.cells.values()].flat().map((number) => index.conversations[number]).find((each) => each.reason);
  const told = failing ? failing.reason : row.question;
  return html`<tr aria-rowindex=${at + 2} data-row=${at}>
    <th scope="row">
      <span class="name">${index.scenarios.length > 1 && html`<span class="soft">${visible(row.scenario)} / </span>`}${visible(row.name)}
        ${row.changed && html` <span class="pill ${row.changed}">${row.changed}</span>`}</span>
      <span class="told ${failing ? "wrong" : "soft"}">${visible(told)}</span>
    </th>
    ${index.arms.map((arm, number) => html`<td>${row.cells.has(number)
      ? html`<${Cell} row=${row} arm=${arm} cell=${row.cells.get(number)} index=${index} open=${open}
          place=${`${at}-${number}`} reached=${focus === number} focused=${() => focused(number)} />`
      : html`<span class="soft" aria-label="not in this run">·</span>`}</td>`)}
  </tr>`;
}

function Cell({ row, arm, cell, index, open, place, reached, focused }) {
  const attempts = cell.map((number) => index.conversations[number]);
  const state = stateOf(cell, index);
  const passed = attempts.filter((each) => each.outcome === "passed").length;
  const count = attempts.length > 1 ? `${passed}/${attempts.length}` : "";
  const first = cell[Math.max(0, attempts.findIndex((each) => each.outcome === "failed" || each.outcome === "errored"))];
  const { changed } = attempts[0];
  const label = `${row.name}, ${arm.name}: ${count ? `${count} passed` : state}${changed ? `, ${changed} since the baseline` : ""}`;
  return html`<button type="button" class="cell ${state}${changed ? " changed" : ""}" data-cell=${place} tabindex=${reached ? 0 : -1}
    aria-label=${visible(label)} title=${visible(label)} onFocus=${focused} onClick=${() => open(first)}>
    <${Mark} outcome=${state} />${count && html`<span>${count}</span>`}</button>`;
}
