"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const by = id => document.getElementById(id);
const [map, canvas, space] = [by("map"), by("map").querySelector("canvas"), by("space")];
const SIDE = 15, HEAD = 34, DAY = 86400000;
const LETTERS = data.letters;
const dates = Array.from({length: data.days}, (_, n) => new Date(Date.parse(data.first) + n * DAY).toISOString().slice(0, 10));
const label = () => innerWidth < 600 ? 110 : 240;
let rows = [], account = null, at = [0, 0], asked = false;

// A state's colour; both schemes have their own.
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name);
// Of a source's log groups only what is not whole is in the page.
const inWords = letter => letter === "." && account !== null ? "wholly archived, or not asked" : LETTERS[letter][0];
const quoted = word => /^[\w@%+=:,.\/-]+$/.test(word) ? word : "'" + word.replaceAll("'", `'"'"'`) + "'";
const isWhole = letter => data.whole.includes(letter);

function accounts() {
  const words = by("words").value.toLowerCase(), state = by("state").value;
  return data.rows.map((row, n) => ({...row, n, name: row.profile, title: `${row.profile} ${row.account} ${row.region}`}))
    .filter(row => row.title.toLowerCase().includes(words))
    .filter(row => !state || (state === "!" ? [...row.cells].some(c => !isWhole(c)) : row.cells.includes(state)));
}

function logGroups(n) {
  const found = new Map(), words = by("words").value.toLowerCase(), state = by("state").value;
  for (const [column, some] of Object.entries(data.rows[n].missing))
    for (const [name, letter] of some) {
      const title = data.words[name];
      if (!found.has(title)) found.set(title, Array(data.days).fill("."));
      found.get(title)[column] = letter;
    }
  return [...found].sort().map(([name, cells]) => ({n, name, title: name, cells: cells.join("")}))
    .filter(row => row.name.toLowerCase().includes(words))
    .filter(row => !state || state === "!" || row.cells.includes(state));
}

function filled() {
  rows = account === null ? accounts() : logGroups(account);
  const what = account === null ? "sources" : "log groups that are not wholly archived";
  by("shown").textContent = `${rows.length.toLocaleString("en")} ${what}`;
  by("where").textContent = account === null ? "All sources" : data.rows[account].profile;
  by("back").hidden = account === null;
  by("legend").lastElementChild.lastChild.data = inWords(".");
  space.style.width = `${label() + data.days * SIDE}px`;
  space.style.height = `${HEAD + Math.max(rows.length, 1) * SIDE}px`;
  map.style.height = `${Math.min(innerHeight * 0.65, HEAD + Math.max(rows.length, 1) * SIDE + 4)}px`;
  at = [Math.min(at[0], Math.max(rows.length - 1, 0)), at[1]];
  draw();
  told();
}

function draw() {
  asked = false;
  const [wide, high] = [map.clientWidth, map.clientHeight], left = label(), scale = devicePixelRatio || 1;
  canvas.width = wide * scale; canvas.height = high * scale;
  canvas.style.width = `${wide}px`; canvas.style.height = `${high}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = style("--paper"); pen.fillRect(0, 0, wide, high);
  const marks = Object.fromEntries(Object.entries(data.marks).map(([letter, [mark, name]]) => [letter, [mark, style(name)]]));
  const paint = Object.fromEntries(Object.entries(LETTERS).map(([letter, [, name]]) => [letter, style(name)]));
  const [top, from] = [Math.floor(map.scrollTop / SIDE), Math.floor(map.scrollLeft / SIDE)];
  pen.font = "bold 11px sans-serif"; pen.textAlign = "center"; pen.textBaseline = "middle";
  for (let r = top; r < rows.length && (r - top - 1) * SIDE < high; r++)
    for (let c = from; c < data.days && (c - from - 1) * SIDE < wide - left; c++) {
      const [x, y, letter] = [left + c * SIDE - map.scrollLeft, HEAD + r * SIDE - map.scrollTop, rows[r].cells[c]];
      pen.fillStyle = paint[letter]; pen.fillRect(x, y, SIDE - 1, SIDE - 1);
      if (marks[letter]) { pen.fillStyle = marks[letter][1]; pen.fillText(marks[letter][0], x + SIDE / 2, y + SIDE / 2); }
      if (r === at[0] && c === at[1]) { pen.strokeStyle = style("--ink"); pen.lineWidth = 2; pen.strokeRect(x, y, SIDE - 1, SIDE - 1); }
    }
  pen.textAlign = "left"; pen.font = "12px sans-serif";
  pen.fillStyle = style("--paper"); pen.fillRect(0, 0, left - 2, high); pen.fillRect(0, 0, wide, HEAD);
  pen.fillStyle = style("--ink");
  for (let r = top; r < rows.length && (r - top - 1) * SIDE < high; r++) {
    const y = HEAD + r * SIDE - map.scrollTop + SIDE / 2;
    if (y > HEAD) pen.fillText(rows[r].name, 4, y, left - 10);
  }
  for (let c = from; c < data.days && (c - from) * SIDE < wide - left; c++)
    if (dates[c].endsWith("-01") || c === from) {
      const x = left + c * SIDE - map.scrollLeft;
      if (x >= left - SIDE && (c !== from || !dates.slice(c + 1, c + 6).some(d => d.endsWith("-01")))) pen.fillText(dates[c], Math.max(x, left), HEAD / 2);
    }
}

function later() { if (!asked) { asked = true; requestAnimationFrame(draw); } }

function piece(name, text) { const e = document.createElement(name); e.textContent = text; return e; }

function commands(row, date, some) {
  const of = `${quoted(data.config)} --profile ${quoted(row.profile)}`;
  const letter = row.cells[dates.indexOf(date)];
  if (isWhole(letter)) return [`logferry status ${of} --from ${date} --to ${date}`];
  const found = letter === "w" ? [] : [`logferry plan ${of} --from ${date} --to ${date}`];
  for (const name of some.slice(0, 5).map(each => quoted(data.words[each[0]])))
    found.push(`logferry explain ${of} --log-group ${name} --date ${date}`);
  return found;
}

function told() {
  const panel = by("cell"), row = rows[at[0]];
  panel.replaceChildren();
  if (!row) { panel.append(piece("p", "Nothing matches.")); return; }
  const date = dates[at[1]], of = data.rows[row.n], letter = row.cells[at[1]];
  panel.append(piece("strong", `${row.title}, ${date} (${of.zone}): ${inWords(letter)}`));
  const numbers = of.counts.split(",")[at[1]].split(".");
  const counts = data.counted.map((name, n) => numbers[n] ? `${Number(numbers[n]).toLocaleString("en")} ${name}` : "").filter(Boolean).join(", ");
  if (counts) panel.append(piece("p", account === null ? counts : `Of all its log groups: ${counts}`));
  let some = of.missing[at[1]] || [];
  if (account !== null) some = some.filter(each => data.words[each[0]] === row.name);
  const list = document.createElement("ul");
  for (const [name, state, why] of some.slice(0, 50)) list.append(piece("li", `${data.words[name]}: ${LETTERS[state][0]}, ${data.words[why]}`));
  if (some.length > 50) list.append(piece("li", `and ${some.length - 50} more`));
  if (some.length) panel.append(list);
  for (const each of commands(of, date, some)) panel.append(piece("pre", `$ ${each}`));
  if (account === null && Object.keys(of.missing).length) {
    const button = piece("button", `Log groups of ${of.profile}`);
    button.type = "button"; button.id = "into";
    button.onclick = () => into(row.n);
    panel.append(button);
  }
}

function into(n) { account = n; at = [0, at[1]]; filled(); map.focus(); }
function back() { if (account !== null) { const n = account; account = null; filled(); at[0] = Math.max(0, rows.findIndex(row => row.n === n)); moved(0, 0); map.focus(); } }

function moved(down, right) {
  at = [Math.max(0, Math.min(rows.length - 1, at[0] + down)), Math.max(0, Math.min(data.days - 1, at[1] + right))];
  const [x, y] = [at[1] * SIDE, at[0] * SIDE], [wide, high] = [map.clientWidth - label(), map.clientHeight - HEAD];
  if (x < map.scrollLeft) map.scrollLeft = x;
  if (x + SIDE > map.scrollLeft + wide) map.scrollLeft = x + SIDE - wide;
  if (y < map.scrollTop) map.scrollTop = y;
  if (y + SIDE > map.scrollTop + high) map.scrollTop = y + SIDE - high;
  later(); told();
}

const KEYS = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-20, 0], PageDown: [20, 0], Home: [0, -9999], End: [0, 9999]};
map.addEventListener("keydown", event => {
  if (KEYS[event.key]) { moved(...KEYS[event.key]); event.preventDefault(); }
  if (event.key === "Enter" && account === null && rows[at[0]] && Object.keys(data.rows[rows[at[0]].n].missing).length) into(rows[at[0]].n);
  if (event.key === "Escape") back();
});
map.addEventListener("click", event => {
  const box = map.getBoundingClientRect(), [x, y] = [event.clientX - box.left - 1, event.clientY - box.top - 1];
  const row = Math.floor((y - HEAD + map.scrollTop) / SIDE), column = Math.floor((x - label() + map.scrollLeft) / SIDE);
  if (y < HEAD || row >= rows.length) return;
  at = [row, x < label() ? at[1] : Math.max(0, Math.min(data.days - 1, column))];
  later(); told();
});
map.addEventListener("scroll", later);
addEventListener("resize", filled);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", later);
by("words").addEventListener("input", filled);
by("state").addEventListener("change", filled);
by("back").addEventListener("click", back);
document.querySelector("form").addEventListener("submit", event => event.preventDefault());
at = [0, data.days - 1];
filled();
map.scrollLeft = data.days * SIDE;
