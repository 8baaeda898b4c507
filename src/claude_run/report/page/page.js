// The page: how the run ended, how each model and variant did, and the conversations behind it.

const WAIT_MS = 120;

function Page({ index, talks }) {
  const rows = useMemo(() => grouped(index), [index]);
  const library = useMemo(() => new Library(index, talks), [index]);
  const [filters, setFilters] = useState(() => fromAddress(index));
  const [shown, setShown] = useState(() => filters.open);
  const [read, setRead] = useState(0);
  const search = useRef(null);
  const back = useRef(null);

  // What is searched for is looked up in all that was said, as it is read.
  const words = useMemo(() => filters.search.toLowerCase().split(/\s+/).filter(Boolean), [filters.search]);
  useEffect(() => {
    if (words.length && !library.whole) library.readAll(() => setRead(library.read));
  }, [words]);
  const found = useMemo(() => chosen(rows, index, library, { ...filters, words }), [rows, filters, words, read]);

  // The address names what is shown, so that it can be sent to somebody; Back closes what was opened.
  useEffect(() => {
    const address = toAddress(filters, shown === null ? null : index.conversations[shown].id);
    if (address === (location.hash || "#")) return;
    const opens = shown !== null && !new URLSearchParams(location.hash.slice(1)).has("id");
    history[opens ? "pushState" : "replaceState"](null, "", address);
  }, [filters, shown]);
  useEffect(() => {
    const follow = () => {
      const given = fromAddress(index);
      setFilters(given);
      setShown(given.open);
    };
    addEventListener("popstate", follow);
    addEventListener("hashchange", follow);
    return () => {
      removeEventListener("popstate", follow);
      removeEventListener("hashchange", follow);
    };
  }, []);
  useEffect(() => {
    const keys = (event) => {
      if (event.key !== "/" || event.target.matches("input, select, textarea") || shown !== null) return;
      event.preventDefault();
      search.current.focus();
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, [shown]);

  const open = (number) => {
    back.current = document.activeElement;
    setShown(number);
  };
  const close = () => {
    setShown(null);
    (back.current ?? document.querySelector("button.cell"))?.focus();
  };
  const move = (step) => {
    const order = found.flatMap((row) => [...row.cells.values()].flat());
    const from = (now) => (order.includes(now) ? order.indexOf(now) : step > 0 ? -1 : 0);
    setShown((now) => order[(from(now) + step + order.length) % order.length] ?? now);
  };
  return html`
    <${Top} run=${index.run} />
    <main>
      <${Arms} index=${index} />
      <section aria-labelledby="conversations">
        <h2 id="conversations">Conversations</h2>
        <${Filters} index=${index} filters=${filters} change=${(some) => setFilters((now) => ({ ...now, ...some }))}
          search=${search} found=${found.length} of=${rows.length}
          reading=${words.length && !library.whole ? library.read / library.texts.length : null} />
        ${found.length ? html`<${Matrix} rows=${found} index=${index} open=${open} />`
          : html`<p class="none">Nothing fits. <button type="button" class="link" onClick=${() => setFilters(ALL)}>Show all</button></p>`}
      </section>
    </main>
    <footer class="soft">claude-run ${index.run.version}. Keys: / to search, arrows to move in the table, Enter to open;
      in a conversation j and k for the next and the one before, s for side by side, Esc to close.</footer>
    ${shown !== null && html`<${Dialog} number=${shown} index=${index} rows=${rows} talks=${talks} close=${close} move=${move} go=${setShown} />`}`;
}

function Top({ run }) {
  return html`<header class="top ${run.state}">
    ${run.notices.map(([title, text]) => html`<p class="notice"><strong>${title}.</strong> ${visible(text)}</p>`)}
    <p class="soft">${visible(run.name)}</p>
    <h1><span class="verdict">${visible(run.word)}</span> ${visible(run.headline)}</h1>
    ${run.advice && html`<p>${visible(run.advice)}</p>`}
    <dl class="tiles">${run.facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${visible(value)}</dd></div>`)}</dl>
    ${run.gate.length > 0 && html`<details><summary>Against the baseline</summary><ul>${run.gate.map((line) =>
      html`<li>${visible(line)}</li>`)}</ul></details>`}
  </header>`;
}

function Arms({ index }) {
  const several = index.arms.length > 1;
  return html`<section aria-labelledby="arms"><h2 id="arms">${several ? "Models and variants" : "Pass rate"}</h2>
    <div class="arms"><div class="scroll" tabindex="0" role="region" aria-label="Pass rates"><table>
      <thead><tr><th scope="col">Model${several ? ", variant" : ""}</th><th scope="col">passed</th><th scope="col">95 % interval</th>
        <th scope="col">a conversation</th><th scope="col">median time</th><th scope="col">all</th></tr></thead>
      <tbody>${index.arms.map((arm, at) => html`<tr><th scope="row">${several && html`<span class="soft">${at + 1} </span>`}${visible(arm.name)}</th>
        <td>${arm.rate === null ? "–" : html`<b>${percent(arm.rate)}</b> <span class="soft">${arm.cases === arm.measured ? `${arm.passed} of ${arm.measured}` : `over ${plural(arm.cases, "case")}`}</span>`}</td>
        <td><${RateLine} arm=${arm} /></td><td>${usd(arm.cost)}</td><td>${seconds(arm.latency)}</td><td>${usd(arm.total)}</td></tr>`)}</tbody>
    </table></div>
    <${CostAgainstRate} arms=${index.arms} /></div>
    <p class="soft">${index.run.interval}</p></section>`;
}

function Filters({ index, filters, change, search, found, of, reading }) {
  const counts = useMemo(() => {
    const all = Object.fromEntries(OUTCOMES.map((name) => [name, 0]));
    for (const each of index.conversations) all[each.outcome] += 1;
    return all;
  }, [index]);
  const [text, setText] = useState(filters.search);
  useEffect(() => setText(filters.search), [filters.search]);
  useEffect(() => {
    if (text === filters.search) return undefined;
    const timer = setTimeout(() => change({ search: text }), WAIT_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const toggle = (name) => {
    const outcomes = new Set(filters.outcomes);
    if (!outcomes.delete(name)) outcomes.add(name);
    change({ outcomes });
  };
  const tags = useMemo(() => [...new Set(index.cases.flatMap((each) => each.tags))].sort(), [index]);
  return html`<div class="filters" role="search">
    <input ref=${search} type="search" aria-label="Search in cases and in all that was said" placeholder="Search" value=${text}
      onInput=${(event) => setText(event.target.value)} />
    ${OUTCOMES.filter((name) => counts[name]).map((name) => html`<button type="button" class="chip ${name}"
      aria-pressed=${filters.outcomes.has(name)} onClick=${() => toggle(name)}><${Mark} outcome=${name} /> ${name} ${whole(counts[name])}</button>`)}
    ${index.run.compared && html`<button type="button" class="chip" aria-pressed=${filters.changed}
      onClick=${() => change({ changed: !filters.changed })}>changed since the baseline</button>`}
    ${index.scenarios.length > 1 && html`<select aria-label="Scenario" value=${filters.scenario}
      onChange=${(event) => change({ scenario: event.target.value })}><option value="">all scenarios</option>
      ${index.scenarios.map((name) => html`<option value=${name}>${visible(name)}</option>`)}</select>`}
    ${tags.length > 0 && html`<select aria-label="Tag" value=${filters.tag} onChange=${(event) => change({ tag: event.target.value })}>
      <option value="">all tags</option>${tags.map((name) => html`<option value=${name}>${visible(name)}</option>`)}</select>`}
    <select aria-label="Order" value=${filters.order} onChange=${(event) => change({ order: event.target.value })}>
      <option value="worst">worst first</option><option value="plan">as planned</option></select>
    <span class="soft count" role="status">${found === of ? plural(of, "case") : `${whole(found)} of ${plural(of, "case")}`}${
      reading === null ? "" : `, ${percent(reading)} of the replies searched`}</span>
  </div>`;
}

const ALL = { search: "", outcomes: new Set(), scenario: "", tag: "", changed: false, order: "worst", open: null };

/** Read the filters and the open conversation out of the page's address. */
function fromAddress(index) {
  const given = new URLSearchParams(location.hash.slice(1));
  const number = index.conversations.findIndex((each) => each.id === given.get("id"));
  return {
    ...ALL,
    search: given.get("q") ?? "",
    outcomes: new Set((given.get("outcome") ?? "").split(",").filter((name) => OUTCOMES.includes(name))),
    scenario: index.scenarios.includes(given.get("scenario")) ? given.get("scenario") : "",
    tag: given.get("tag") ?? "",
    changed: index.run.compared && given.has("changed"),
    order: given.get("order") === "plan" ? "plan" : "worst",
    open: number < 0 ? null : number,
  };
}

function toAddress({ search, outcomes, scenario, tag, changed, order }, id) {
  const given = new URLSearchParams();
  if (search) given.set("q", search);
  if (outcomes.size) given.set("outcome", [...outcomes].join(","));
  if (scenario) given.set("scenario", scenario);
  if (tag) given.set("tag", tag);
  if (changed) given.set("changed", "");
  if (order !== ALL.order) given.set("order", order);
  if (id !== null) given.set("id", id);
  return `#${given}`;
}

async function start() {
  const place = document.getElementById("page");
  try {
    const index = await unpack(INDEX);
    place.textContent = "";
    render(html`<${Page} index=${index} talks=${new Talks(index.chunk)} />`, place);
  } catch (error) {
    place.textContent = `This page cannot be shown here: ${error.message}. A browser of 2023 or later reads it.`;
    throw error;
  }
}

start();
