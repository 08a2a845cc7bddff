// A second verifier of sealed archives, written from docs/seal-format.md, whose sections it names.
//
//   node archive.mjs FOLDER --level LEVEL --key FILE ...      exit codes as in section 9
import { lstatSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { OUTCOMES, TRIES, check, end, given, groupOf, hash, isSigned, keyIn, nameHash, readSeal, sha256, standing, unknown } from './format.mjs'

const root = process.argv[2]
const level = ['seals', 'objects', 'bytes', 'events'].indexOf(given('--level')[0] ?? 'bytes')

// 1. Where it lies
const pathOf = (key) => key.split('/').filter((part) => part && part !== '.').join('/')
const files = new Map()
const sizeOf = (path) => { try { return statSync(path).size } catch { return lstatSync(path).size } }
const walk = (folder) => readdirSync(`${root}/${folder}`, { withFileTypes: true }).forEach((entry) => {
  const path = `${folder}${entry.name}`
  entry.isDirectory() ? walk(`${path}/`) : files.set(path, sizeOf(`${root}/${path}`))
})
walk('')
const keyOf = new Map() // of paths that are no keys
const known = (key) => keyOf.set(pathOf(key), key)
const keys = () => [...files].map(([path, size]) => ({ key: keyOf.get(path) ?? path, size }))
function read(key) { // null: it is not there; undefined: that cannot be known
  try {
    if (key.split('/').includes('..')) throw new Error('no folder has it')
    return files.has(pathOf(key)) ? readFileSync(`${root}/${pathOf(key)}`)
      : (statSync(`${root}/${pathOf(key)}`), null)
  } catch (error) {
    return error.code === 'ENOENT' || error.code === 'ENOTDIR' ? null : void unknown.push(`${key}: ${error.message}`)
  }
}
const CHAIN = /^!seals\/([0-9]{12}\/[a-z]{2,4}(?:-[a-z]+)+-[0-9]+)\//
const NAME = /^(.*)\/([0-9]{15})-([0-9]{15})\/([0-9a-f]{64})\.json$/
const folderOf = (name) => name.startsWith('/') ? name.slice(1) : `!/${name}`

// 3. The chain
function readChain(name, base) {
  const trusted = new Map(given('--key').map((file) => keyIn(readFileSync(file)))), seals = []
  if (!trusted.size) unknown.push(`${name}: no key was given`)
  let last = null, next = 1
  for (const path of [...files.keys()].filter((each) => each.startsWith(`${base}seals/`)).sort()) {
    const place = Number(path.slice(`${base}seals/`.length).match(/^([0-9]{10})\.json$/)?.[1] ?? 0)
    if (!check(place > 0, path, 'not the key of a seal')) continue
    check(place === next, path, `seals are missing from ${next} on`)
    const stored = read(path)
    let found = null
    try { found = stored === undefined ? null : readSeal(stored) } catch (error) { check(false, path, error.message) }
    if (found) {
      const { seal, signed, signature } = found, { account_id, region } = seal.chain
      check(`${account_id}/${region}` === name && seal.sequence === place, path, 'of another place')
      check((seal.previous_sha256 ?? null) === last, path, 'names another one before it')
      const signer = trusted.get(seal.key_id), isBy = signer && isSigned(signed, signature, signer)
      if (given('--key').length) check(isBy, path, 'not signed by a key that is trusted here')
      if (seal.next_key) {
        const [id, key] = keyIn(seal.next_key.pem)
        if (check(id === seal.next_key.id, path, 'shows another key') && isBy) trusted.delete(seal.key_id), trusted.set(id, key)
      }
      if (seal.sealed) seals.push({ path, ...seal, ...seal.sealed })
    }
    last = found && sha256(stored)
    next = place + 1
  }
  if (!last && next === 1) unknown.push(`${name}: there is no seal of it`)
  const days = seals.filter((each) => each.kind === 'day').sort((a, b) => a.covers.from_ms - b.covers.from_ms)
  days.slice(1).forEach((day, at) => check(day.covers.from_ms === days[at].covers.to_ms, day.path, 'does not join'))
  for (const { covers, path, kind } of seals) {
    check(kind === 'day' || (days.length && covers.from_ms >= days[0].covers.from_ms &&
      covers.to_ms <= days.at(-1).covers.to_ms), path, 'of a time that no day covers')
  }
  return seals
}

// 4. Leaves
function rootOf(hashes) {
  if (hashes.length < 2) return hashes[0] ?? hash()
  const left = 2 ** Math.ceil(Math.log2(hashes.length) - 1)
  return hash('\x01', rootOf(hashes.slice(0, left)), rootOf(hashes.slice(left)))
}
function readLeaves(seal, base) { // null where they are not what was sealed
  const stored = read(`${base}leaves/${seal.leaves_sha256}.jsonl`)
  if (stored === undefined || !check(stored && sha256(stored) === seal.leaves_sha256, seal.path, 'another list')) return null
  const leaves = stored.toString().split('\n').slice(0, -1).map((line) => {
    const [, folder, from, to, digest] = JSON.parse(line).statement.match(NAME), name = groupOf(folder)
    const hashed = nameHash(seal, name)
    const key = `${base}statements/${folder}/${from}-${to}/${digest}.json`
    return { name, from: +from, to: +to, digest, hashed, key, window: `${name} ${from} ${to}` }
  })
  const hashes = leaves.map((leaf) => hash('\x00', leaf.hashed, Buffer.from(leaf.digest, 'hex')))
  check(rootOf(hashes).toString('hex') === seal.root_sha256 && leaves.length === seal.leaf_count, seal.path, 'another root')
  check(Object.values(seal.outcomes).reduce((a, b) => a + b, 0) === leaves.length, seal.path, 'other outcomes')
  leaves.forEach((leaf, at) => {
    const { covers } = seal, before = leaves[at - 1], isFirst = before?.name !== leaf.name
    const order = before && (Buffer.compare(before.hashed, leaf.hashed) || before.from - leaf.from || before.to - leaf.to)
    check(!before || order < 0, leaf.key, 'out of order')
    check(leaf.from >= covers.from_ms && leaf.to <= covers.to_ms && leaf.from < leaf.to, leaf.key, 'outside of its seal')
    leaf.reached = Math.max(isFirst ? covers.from_ms : before.reached, leaf.to)
    const isLast = leaves[at + 1]?.name !== leaf.name
    check(seal.kind !== 'day' || (leaf.from <= (isFirst ? covers.from_ms : before.reached) &&
      (!isLast || leaf.reached >= covers.to_ms)), leaf.key, 'leaves out a time')
  })
  return leaves
}

// 5. Statements
function readStatement(leaf, name) { // null where it is not what was sealed
  known(leaf.key)
  const stored = read(leaf.key)
  if (stored === undefined || !check(stored && sha256(stored) === leaf.digest, leaf.key, 'another statement')) return null
  let it
  try { it = JSON.parse(stored) } catch { it = {} }
  const isOf = `${it.source?.account_id}/${it.source?.region}` === name && it.log_group.name === leaf.name &&
    it.window.from_ms === leaf.from && it.window.to_ms === leaf.to
  if (!check(isOf, leaf.key, 'none, or of another place')) return null
  for (const each of [...it.objects ?? [], ...it.leftovers ?? []]) known(each.key)
  return { ...it, objects: it.objects ?? [] }
}

// 7. Objects
const LOG = /^(.+)\/([^/]+)\/[^/]+\/[0-9]{6,}\.gz$/
const foldersOf = (exported) => exported.task_ids.map((id) => `${exported.destination.prefix}/${id}/`)
const sealedFoldersOf = ({ it, exported }) => [...foldersOf(exported), ...it.objects.map(({ key }) => `${key.split('/').slice(0, -2).join('/')}/`)]
const SILENT = [...TRIES, 'archived', 'waived'] // what is told at no level by itself
const isOfObjects = (it) => ['archived', 'disposed'].includes(it.outcome)
function checkObject(object, { outcome, window }) {
  const stored = read(object.key), { key } = object
  if (stored === undefined) check((files.get(pathOf(key)) ?? object.size_bytes) === object.size_bytes, key, 'of another size')
  if (stored === undefined || (!stored && outcome === 'disposed')) return
  if (!check(stored?.length === object.size_bytes, key, 'not there, or of another size')) return
  if (level < 2 || !check(sha256(stored) === object.sha256, key, 'changed') || level < 3) return
  let text = null
  try {
    const { buffer, engine } = gunzipSync(stored, { info: true })
    if (!stored.subarray(engine.bytesWritten).some((byte) => byte)) text = buffer.toString('latin1')
  } catch { /* it is not whole */ }
  check((text !== null) === object.is_gzip_complete, key, 'whole or not')
  if (text === null) return
  const lines = text.split('\n'), TIME = /^[1-9][0-9]{3}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z(?= )/
  if (!lines.at(-1)) lines.pop()
  const times = lines.map((line) => line.match(TIME)?.[0]).filter((t) => t && !isNaN(Date.parse(t)) && new Date(t).toISOString() === t).map(Date.parse).sort((a, b) => a - b)
  const found = [lines.length, times.length, times[0], times.at(-1),
    times.filter((t) => t < window.from_ms || t >= window.to_ms).length, lines.filter((l) => l.includes('@ptr.$[')).length]
  const { lines: count, events, first_ms, last_ms, events_outside_window: outside, pointer_lines } = object
  check(String(found) === String([count, events, first_ms, last_ms, outside, pointer_lines]), key, `has ${found}`)
}
const isWriteTest = ({ key, size }, prefix) => key === `${prefix}aws-logs-write-test` && size <= 1024
function checkAdded(counting, said, all) {
  const exports = counting.flatMap((it) => it.exports.map((exported) => ({ it, exported, isLast: exported === it.exports.at(-1) })))
  const prefixes = [...new Set(exports.map((each) => each.exported.destination.prefix))].sort((a, b) => b.length - a.length)
  const sealed = ({ it, isLast }) => isOfObjects(it) && isLast
  const tasks = exports.filter((each) => sealed(each) && each.exported.lane === 'slot').flatMap(sealedFoldersOf)
  const counted = exports.filter(sealed).flatMap(sealedFoldersOf)
  const abandoned = said.flatMap((it) => it.exports.flatMap(foldersOf)).filter((folder) => !counted.includes(folder))
  const isClosed = (it) => it.outcome === 'skipped' ? !it.exports.some((each) => each.task_ids.length) : isOfObjects(it) && it.leftovers
  const open = exports.filter(({ it }) => !isClosed(it)).map((each) => each.exported.destination.prefix)
  const objects = new Set(counting.filter(isOfObjects).flatMap((it) => it.objects.map((o) => o.key)))
  const leftovers = new Set(counting.flatMap((it) => (it.leftovers ?? []).map((o) => `${o.key} ${o.size_bytes}`)))
  for (const { key, size } of all) {
    const prefix = prefixes.find((each) => key.startsWith(`${each}/`))
    if (!prefix || objects.has(key) || isWriteTest({ key, size }, `${prefix}/`) || leftovers.has(`${key} ${size}`)) continue
    const [, own, task] = key.match(LOG) ?? [null, prefix, null], folder = task === null ? `${prefix}/` : `${own}/${task}/`
    if (own !== prefix && /\/\d{4}\/\d\d\/\d\d\/\d\d$/.test(own)) continue
    check(abandoned.includes(folder) || (open.includes(prefix) && !tasks.includes(folder)), key, 'was added')
  }
}
const clockOf = (timeZone) => {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' })
  return (ms) => clock.format(ms) // such as 2026-11-22 06:00
}
const isZone = (timeZone) => { try { return !!clockOf(timeZone) } catch { return false } }
function checkPlanted(whole, statements, all) {
  const days = whole.filter((day) => isZone(day.time_zone) || (unknown.push(`${day.date}: the zone ${day.time_zone}`), false))
  const named = new Set(statements.flatMap(({ it }) => it.exports.map((each) => each.destination.prefix)))
  for (const { it, zone } of statements.filter((each) => each.it.outcome === 'open' && isZone(each.zone))) {
    named.add(`${it.source.profile}/${folderOf(it.log_group.name)}/${clockOf(zone)(it.window.from_ms).slice(0, 10).replaceAll('-', '/')}`)
  }
  const logGroups = new Set(statements.map(({ it }) => `${it.source.profile}/${folderOf(it.log_group.name)}`))
  const leftovers = new Set(statements.flatMap(({ it }) => (it.leftovers ?? []).map((o) => `${o.key} ${o.size_bytes}`)))
  const hours = new Map()
  for (const day of days) {
    const at = clockOf(day.time_zone), covered = new Map(), { from_ms, to_ms } = day.covers
    for (let ms = from_ms - 1e8; ms < to_ms + 1e8; ms += 900e3) covered.set(at(ms), from_ms <= ms && ms < to_ms)
    hours.set(day.date, [...hours.get(day.date) ?? [], covered])
  }
  const profiles = new Set(days.flatMap((day) => day.profiles))
  for (const { key, size } of all.filter((each) => profiles.has(each.key.split('/')[0]))) {
    const [, prefix, folder, date, hour] = key.match(/^((.+)\/(\d{4}\/\d\d\/\d\d)\/(\d\d))\//) ?? []
    const isSealedAt = (path, at) => (hours.get(path?.replaceAll('/', '-')) ?? []).some((day) => day.get(`${path.replaceAll('/', '-')} ${at}:00`) ?? true)
    const shorter = [...key.matchAll(/\/(\d{4}\/\d\d\/\d\d)\/(\d\d)(?=\/)/g)].slice(0, -1), isSealed = isSealedAt(date, hour)
    const isBelow = shorter.some(([, path, at]) => isSealedAt(path, at)) && !logGroups.has(folder) && !leftovers.has(`${key} ${size}`)
    check(!isBelow || isWriteTest({ key, size }, key.slice(0, key.lastIndexOf('/') + 1)), key, 'was planted below what is sealed')
    check(!isSealed || isWriteTest({ key, size }, key.slice(0, key.lastIndexOf('/') + 1)) || named.has(prefix) || named.has(`${folder}/${date}`), key, 'was planted')
  }
}

// 8. Levels
function checkChain(name) {
  const base = `!seals/${name}/`, seals = readChain(name, base), statements = [], whole = []
  for (const seal of seals) {
    seal.leaves = readLeaves(seal, base)
    if (!seal.leaves || (!level && Object.keys(seal.outcomes).every((it) => SILENT.includes(it)))) continue
    seal.leaves.forEach((leaf) => { leaf.it = readStatement(leaf, name) })
    const read = seal.leaves.map((leaf) => leaf.it).filter(Boolean), archived = read.filter((it) => it.outcome === 'archived')
    statements.push(...read.map((it) => ({ it, zone: seal.time_zone })))
    if (read.length < seal.leaves.length) continue
    if (seal.kind === 'day') whole.push(seal)
    const sum = (field) => archived.flatMap((it) => it.objects).reduce((all, object) => all + (field ? object[field] : 1), 0)
    check([[sum(), seal.objects], [sum('events'), seal.events], [sum('size_bytes'), seal.stored_bytes],
      ...[...OUTCOMES, ...Object.keys(seal.outcomes)].map((o) => [read.filter((it) => it.outcome === o).length, seal.outcomes[o] ?? 0]),
    ].every(([found, said]) => found === said), seal.path, 'counts otherwise')
  }
  const words = new Map()
  for (const leaf of seals.flatMap((seal) => seal.leaves ?? [])) words.set(leaf.window, [...words.get(leaf.window) ?? [], leaf])
  for (const [at, leaf, leaves] of [...words.values()].flatMap((each) => each.map((leaf, at) => [at, leaf, each]))) {
    if (!leaf.it || SILENT.includes(leaf.it.outcome)) continue
    const later = leaves.slice(at + 1).map((each) => each.it === undefined ? each.it = readStatement(each, name) : each.it)
    if (later.some((it) => !it || !TRIES.includes(it.outcome))) continue
    check(leaf.it.outcome !== 'contradicted', leaf.key, 'ledger and archive differ')
    if (!OUTCOMES.includes(leaf.it.outcome)) unknown.push(`${leaf.key}: ${leaf.it.outcome} is not known`)
  }
  if (!level) return
  const all = keys()
  for (const { covers, kind } of seals) {
    const own = kind === 'day' ? [...words.values()].filter(([leaf]) => leaf.from >= covers.from_ms && leaf.from < covers.to_ms) : []
    for (const group of grouped(own)) {
      const said = group.map((leaves) => leaves.map((leaf) => leaf.it ?? null)), counting = said.map(standing).filter(Boolean).flat()
      counting.filter(isOfObjects).forEach((it) => it.objects.forEach((object) => checkObject(object, it)))
      if (said.flat().every(Boolean)) checkAdded(counting, said.flat(), all)
    }
  }
  checkPlanted(whole, statements, all)
  const forms = [/^seals\//, /^leaves\/[0-9a-f]{64}\.jsonl$/, /^statements\/.*\/[0-9]{15}-[0-9]{15}\/[0-9a-f]{64}\.json$/]
  for (const { key } of all.filter((each) => each.key.startsWith(base))) check(forms.some((form) => form.test(key.slice(base.length))), key, 'no key of section 1')
}
const grouped = (own) => {
  const by = new Map()
  for (const each of own) by.set(each[0].name, [...by.get(each[0].name) ?? [], each])
  return by.values()
}

// 9. The verdict
const sealKeys = [...files.keys()].filter((path) => path.startsWith('!seals/'))
if (!sealKeys.length) { console.error(`${root}: there is no !seals/ in it`); process.exit(2) }
for (const name of new Set(sealKeys.map((path) => path.match(CHAIN)?.[1]).filter(Boolean))) checkChain(name)
if (level) for (const path of sealKeys) check(CHAIN.test(path), path, 'belongs to no chain')
end()
