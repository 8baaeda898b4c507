// What the page holds: an index of all conversations, and what was said in them, packed in chunks.
const { html, render, useEffect, useLayoutEffect, useMemo, useRef, useState } = UI;

const INDEX = "index";

/** Return the value of one of the page's data blocks: JSON, gzipped, in base64. */
async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** What was said, read chunk by chunk when it is wanted; a chunk is kept once it was read. */
class Talks {
  constructor(size) {
    this.size = size;
    this.chunks = new Map();
    this.packs = new Map();
    this.before = null;
  }

  async get(number) {
    return (await this.chunk(Math.floor(number / this.size)))[number % this.size];
  }

  /** Return the talks of a chunk, with their long texts, which may stand in an earlier one. */
  chunk(at) {
    if (!this.chunks.has(at)) this.chunks.set(at, this.#read(at));
    return this.chunks.get(at);
  }

  async #read(at) {
    const { talks } = await this.#packed(at);
    const others = new Set(talks.flatMap((talk) => talk.long.map(([chunk]) => chunk)));
    const texts = new Map();
    for (const chunk of others) texts.set(chunk, (await this.#packed(chunk)).texts);
    for (const talk of talks) completed(talk, talk.long.map(([chunk, place]) => texts.get(chunk)[place]));
    return talks;
  }

  #packed(at) {
    if (!this.packs.has(at)) this.packs.set(at, unpack(`talks-${at}`));
    return this.packs.get(at);
  }

  /** Return the accepted replies of cases, by their names. */
  accepted() {
    this.before ??= unpack("accepted");
    return this.before;
  }
}

/** Put the long texts of a talk where their numbers stand. */
function completed(talk, texts) {
  const put = (holder, name) => {
    if (typeof holder[name] === "number") holder[name] = texts[holder[name]];
  };
  const parts = talk.turns.flatMap((turn) => [turn.said, ...turn.rounds.flatMap((round) => [round.results, round.parts])]);
  for (const part of [...(talk.system ?? []), ...parts.flat()]) put(part, "body");
  for (const turn of talk.turns) put(turn, "text");
}

/** Texts to search in: of each conversation its names at once, and all that was said once it was read. */
class Library {
  constructor(index, talks) {
    this.talks = talks;
    this.texts = index.conversations.map((each) => {
      const one = index.cases[each.case];
      return [each.id, one.question, each.reason ?? "", ...one.tags].join("\n").toLowerCase();
    });
    this.read = 0;
    this.reading = null;
  }

  get whole() {
    return this.read === this.texts.length;
  }

  /** Read all that was said, and call `told` now and then with what is new. */
  readAll(told) {
    this.reading ??= this.#readAll(told);
    return this.reading;
  }

  async #readAll(told) {
    const { size } = this.talks;
    for (let at = 0; at * size < this.texts.length; at += 1) {
      const talks = await this.talks.chunk(at);
      talks.forEach((talk, place) => {
        this.texts[at * size + place] += `\n${spoken(talk).toLowerCase()}`;
      });
      this.read = Math.min(this.texts.length, (at + 1) * size);
      if (at % 10 === 9 || this.whole) told();
    }
  }

  has(number, words) {
    const text = this.texts[number];
    return words.every((word) => text.includes(word));
  }
}

/** Return all that was said in a conversation as one text. */
function spoken(talk) {
  const texts = [];
  for (const turn of talk.turns ?? []) {
    const rounds = turn.rounds.flatMap((round) => [...round.results, ...round.parts]);
    for (const part of [...turn.said, ...rounds]) texts.push(part.title, part.body);
    for (const check of turn.checks) texts.push(check.title, check.message);
  }
  return texts.join("\n");
}
