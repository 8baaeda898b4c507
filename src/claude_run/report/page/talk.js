// One conversation: as a talk, and side by side with others that were asked the same.

/** Show a conversation in a dialog of its own; `move` goes on to the next or back. */
function Dialog({ number, index, rows, talks, close, move, go }) {
  const dialog = useRef(null);
  const body = useRef(null);
  const [talk, setTalk] = useState(null);
  const [side, setSide] = useState(false);
  const about = index.conversations[number];
  // At once, so that no key is lost between one conversation and the next.
  useLayoutEffect(() => {
    if (!dialog.current.open) dialog.current.showModal();
    body.current.focus();
  }, [number]);
  useEffect(() => {
    let here = true;
    setTalk(null);
    talks.get(number).then((found) => here && setTalk(found));
    return () => {
      here = false;
    };
  }, [number]);
  const keys = (event) => {
    if (event.target.matches("input:not([type=checkbox]), select, textarea") || event.metaKey || event.ctrlKey || event.altKey) return;
    const step = { j: 1, k: -1 }[event.key];
    if (step) move(step);
    if (event.key === "s") setSide((now) => !now);
  };
  const others = useMemo(() => alike(number, index, rows), [number, index]);
  return html`<dialog ref=${dialog} class=${side ? "wide" : ""} aria-labelledby="talk-title" onClose=${close} onKeyDown=${keys}
    onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
    <header>
      <h2 id="talk-title"><${Mark} outcome=${about.outcome} /><span>${visible(about.id)}</span></h2>
      <div class="buttons">
        <button type="button" aria-pressed=${side} onClick=${() => setSide(!side)}>Side by side</button>
        <button type="button" aria-label="Previous conversation" title="Previous (k)" onClick=${() => move(-1)}>↑</button>
        <button type="button" aria-label="Next conversation" title="Next (j)" onClick=${() => move(1)}>↓</button>
        <button type="button" aria-label="Close" title="Close (Esc)" onClick=${() => dialog.current.close()}>✕</button>
      </div>
    </header>
    <div class="body" ref=${body} tabindex="0" role="region" aria-label="The conversation" key=${number}>
      ${talk === null ? html`<p class="soft">Reading…</p>`
        : side ? html`<${Sides} first=${number} others=${others} index=${index} talks=${talks} go=${go} />`
        : html`<${Talk} talk=${talk} about=${about} redacted=${index.run.redacted} />`}
    </div>
  </dialog>`;
}

function Talk({ talk, about, redacted }) {
  if (!talk.turns.length) return html`<p>${talk.error ? visible(talk.error) : "Never started, so nothing was sent for it."}</p>`;
  return html`<article class="talk">
    <${Wrong} talk=${talk} />
    <p class="facts">${[`asked ${talk.model}`, `started ${talk.started}`, seconds(about.latency), usd(about.cost),
      ...talk.notes].map((fact) => html`<span>${visible(fact)}</span>`)}</p>
    ${redacted && html`<p class="soft">What was said is not in this report.</p>`}
    ${talk.given.length > 0 && html`<details><summary>What it was given</summary><dl>${talk.given.map(([name, value]) =>
      html`<dt>${visible(name)}</dt><dd>${visible(value)}</dd>`)}</dl></details>`}
    ${talk.system.length > 0 && html`<details><summary>System prompt</summary><${Parts} parts=${talk.system} /></details>`}
    ${talk.turns.map((turn) => html`<${Turn} turn=${turn} />`)}
    ${talk.checks.length > 0 && html`<section><h3>The conversation as a whole</h3><${Checks} checks=${talk.checks} /></section>`}
  </article>`;
}

/** What went wrong, before everything else. */
function Wrong({ talk }) {
  const said = [...talk.wrong.map((text) => ["bad", text]), ...talk.warnings.map((text) => ["open", `Warning: ${text}`])];
  return said.length > 0 && html`<ul class="wrong">${said.map(([kind, text]) => html`<li class=${kind}>${visible(text)}</li>`)}</ul>`;
}

function Turn({ turn }) {
  const asked = html`<div class="bubble ${turn.role}"><h3>${turn.role} <span class="soft">turn ${turn.number}${
    turn.note && `, ${turn.note}`}</span></h3><${Parts} parts=${turn.said} /></div>`;
  return html`<section class="turn">
    ${asked}
    ${turn.rounds.map((round, at) => html`
      ${round.results.length > 0 && html`<div class="bubble results"><h3>tool results</h3><${Parts} parts=${round.results} /></div>`}
      <div class="bubble reply"><h3>reply${turn.rounds.length > 1 ? ` ${at + 1} of ${turn.rounds.length}` : ""}</h3>
        <${Parts} parts=${round.parts} />
        <${Used} round=${round} /></div>`)}
    <${Checks} checks=${turn.checks} />
  </section>`;
}

function Used({ round }) {
  const facts = [
    ["model", round.model], ["stop reason", round.stop], ["tokens in", whole(round.input)],
    ["read from the cache", whole(round.read)], ["written to it", whole(round.written)],
    ["tokens out", whole(round.output)], ["attempts", whole(round.attempts)], ["request id", round.request ?? "–"],
  ];
  const short = `${whole(round.input)} in, ${whole(round.output)} out · ${usd(round.cost)} · ${seconds(round.latency)}`;
  return html`<details class="used"><summary>${short}</summary><dl>${facts.map(([name, value]) =>
    html`<dt>${name}</dt><dd>${visible(String(value))}</dd>`)}</dl></details>`;
}

function Parts({ parts }) {
  return parts.map((part) => {
    const body = part.kind === "note" ? html`<p class="soft">${visible(part.body)}</p>`
      : html`<div class=${part.kind}>${visible(part.body)}</div>`;
    const title = part.title && html`<h4>${visible(part.title)}</h4>`;
    return part.fold
      ? html`<details><summary>${part.title ? `${visible(part.title)}: ` : ""}${part.fold.toLowerCase()} (${whole(part.body.length)} characters)</summary>${body}</details>`
      : html`<div class="part">${title}${body}</div>`;
  });
}

function Checks({ checks }) {
  return checks.length > 0 && html`<ul class="checks">${checks.map((check) => html`<li class=${check.status} style=${{
    marginLeft: `${check.depth * 1.25}rem` }}>
    <${Mark} outcome=${check.status} /><div><b>${visible(check.title)}</b> ${visible(check.message)}
      ${(check.expected !== null || check.actual !== null) && html`<dl>
        ${check.expected !== null && html`<dt>expected</dt><dd class="text"><${Short} text=${check.expected} /></dd>`}
        ${check.actual !== null && html`<dt>actual</dt><dd class="text"><${Short} text=${check.actual} /></dd>`}</dl>`}
      ${" "}<span class="soft place">${visible(check.place)}</span></div></li>`)}</ul>`;
}

const SHORT = 160;

/** Show a value on a line, and what is longer only to those who want it: most often it stands right above. */
function Short({ text }) {
  if (text.length <= SHORT && !text.includes("\n")) return visible(text);
  const line = text.slice(0, SHORT).split("\n")[0];
  return html`<details><summary>${visible(line)}…</summary>${visible(text)}</details>`;
}

/** Return what was asked the same as a conversation: other models, variants and attempts, the accepted replies. */
function alike(number, index, rows) {
  const about = index.conversations[number];
  const same = [];
  rows[about.case].cells.forEach((cell, arm) => {
    for (const each of cell) {
      const which = index.conversations[each].attempt;
      const name = [index.arms.length > 1 && index.arms[arm].name, which].filter(Boolean).join(" ") || "this run";
      same.push({ key: each, name, number: each, arm });
    }
  });
  if (index.accepted.includes(about.cell)) same.push({ key: "accepted", name: "baseline", cell: about.cell });
  return same;
}

const MOST_SIDES = 4;
const NARROW = 700;

/** Show several conversations side by side, turn by turn; words that differ from the first are marked. */
function Sides({ first, others, index, talks, go }) {
  // At first: the accepted replies before the new ones, or one of each model and variant.
  const start = () => {
    const accepted = others.find((each) => each.key === "accepted");
    if (accepted) return [accepted.key, first];
    const arm = index.conversations[first].arm;
    const rest = index.arms.map((_, at) => at !== arm && others.find((each) => each.arm === at)).filter(Boolean);
    const more = rest.length ? rest : others.filter((each) => each.key !== first);
    return [first, ...more.map((each) => each.key)].slice(0, innerWidth < NARROW ? 2 : 3);
  };
  const [picked, setPicked] = useState(start);
  const [found, setFound] = useState(null);
  useEffect(() => {
    let here = true;
    Promise.all(picked.map((key) => sideOf(others.find((each) => each.key === key), index, talks)))
      .then((sides) => here && setFound(sides));
    return () => {
      here = false;
    };
  }, [picked, others]);
  // The accepted replies stay first, and one side is always there.
  const toggle = (key) => setPicked((now) => {
    if (now.includes(key)) return now.filter((each) => each !== key);
    return key === "accepted" ? [key, ...now] : [...now, key];
  });
  const isFixed = (key) => (picked.includes(key) ? picked.length === 1 : picked.length === MOST_SIDES);
  return html`<div class="sides">
    <fieldset><legend>Side by side, at most ${MOST_SIDES}; what differs from the first is marked</legend>
      ${others.map((each) => html`<label><input type="checkbox" checked=${picked.includes(each.key)}
        disabled=${isFixed(each.key)} onChange=${() => toggle(each.key)} /> ${visible(each.name)}</label>`)}</fieldset>
    ${others.length < 2 && html`<p class="soft">Nothing else in this run was asked the same.</p>`}
    ${found && html`<${SideTable} sides=${found} go=${go} />`}
  </div>`;
}

async function sideOf(other, index, talks) {
  if (other.key === "accepted") {
    const accepted = (await talks.accepted())[other.cell] ?? [];
    return { name: other.name, accepted, outcome: null, turns: new Map() };
  }
  const talk = await talks.get(other.number);
  const { outcome, cost, latency } = index.conversations[other.number];
  const turns = new Map(replyTurns(talk).map((turn) => [turn.number, turn]));
  return { name: other.name, number: other.number, outcome, cost, latency, turns };
}

/** Return the turns that have a reply, or would have one and were left out: the n-th is the same in every attempt. */
const replyTurns = (talk) =>
  talk.turns.filter((turn) => turn.rounds.length || (turn.note === "left out" && turn.role === "user"));

/** Lay the replies of a turn beside each other, by its number, whichever turns a conversation left out. */
function laidOut(sides) {
  const numbers = [...new Set(sides.flatMap((side) => [...side.turns.keys()]))].sort((one, other) => one - other);
  return numbers.map((number, at) => ({
    number,
    turns: sides.map((side) => side.turns.get(number)),
    // What was accepted has no numbers: it is in the order of the turns that have a reply.
    replies: sides.map((side) => (side.accepted ? side.accepted[at] || undefined : replyOf(side.turns.get(number)))),
  }));
}

const replyOf = (turn) => (turn && turn.rounds.length ? turn.text : undefined);

const sameSaid = (one, other) => one.length === other.length && one.every((part, at) => part.body === other[at].body);

function SideTable({ sides, go }) {
  const rows = laidOut(sides);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Replies side by side"><table>
    <thead><tr>${sides.map((side) => html`<th scope="col">${side.outcome && html`<${Mark} outcome=${side.outcome} />`}
      ${visible(side.name)}${!side.accepted && html` <span class="soft">${side.cost === null && side.latency === null ? "" : `${usd(side.cost)}, ${seconds(side.latency)}`}</span>${" "}
      <button type="button" class="link" onClick=${() => go(side.number)}>open</button>`}</th>`)}</tr></thead>
    <tbody>${rows.map(({ number, turns, replies }) => {
      const asked = turns.filter((turn) => turn && turn.said.length);
      const isOne = asked.every((turn) => sameSaid(turn.said, asked[0].said));
      return html`
        <tr class="asked"><td colspan=${sides.length}><h3>user <span class="soft">turn ${number}</span></h3>
          ${isOne && asked.length > 0 && html`<${Parts} parts=${asked[0].said} />`}</td></tr>
        ${!isOne && html`<tr class="asked">${turns.map((turn) => html`<td>${turn && html`<${Parts} parts=${turn.said} />`}</td>`)}</tr>`}
        <tr>${turns.map((turn, column) => html`<td>
          <${Reply} before=${column ? replies[0] : undefined} reply=${replies[column]} note=${turn ? turn.note : ""} />
          ${turn && html`<${Checks} checks=${turn.checks} />`}</td>`)}</tr>`;
    })}</tbody>
  </table></div>`;
}

function Reply({ before, reply, note }) {
  if (reply === undefined) return html`<p class="soft">${note || "no reply"}</p>`;
  if (before === undefined || before === reply) {
    return html`<div class="text">${visible(reply)}</div>${before === reply && html`<p class="soft">the same</p>`}`;
  }
  return html`<div class="text">${difference(before, reply).map(([sign, text]) =>
    sign === "=" ? visible(text) : sign === "+" ? html`<ins>${visible(text)}</ins>` : html`<del>${visible(text)}</del>`)}</div>`;
}
