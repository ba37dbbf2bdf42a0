import { isDeepStrictEqual } from 'node:util';
import type { Data } from '../tests/outbox/outbox.ts';

export type Notes = ReadonlyMap<string, Data>;
export interface Parties {
  readonly [name: string]: Notes;
}

/** A line for each note named and for each that somebody has; the notes of a list share one. */
export function formatTable(parties: Parties, ids: readonly string[]): string {
  const everyNotes = Object.values(parties);
  const all = new Set([...ids, ...everyNotes.flatMap((notes) => [...notes.keys()])]);
  const rows = [['note', ...Object.keys(parties)]];
  for (const id of all) {
    if (!isListed(id)) rows.push([id, ...everyNotes.map((notes) => show(notes.get(id)))]);
  }
  if ([...all].some(isListed)) rows.push(['list-…', ...everyNotes.map(countListed)]);
  return align(rows);
}

export function areEqual(parties: Parties): boolean {
  const [first, ...others] = Object.values(parties).map((notes) => Object.fromEntries(notes));
  return others.every((other) => isDeepStrictEqual(other, first));
}

const isListed = (id: string): boolean => id.startsWith('list-');

function countListed(notes: Notes): string {
  return `${[...notes.keys()].filter(isListed).length} notes`;
}

function show(note: Data | undefined): string {
  return note ? `${String(note.title)}: ${String(note.body)}` : '(none)';
}

function align(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('   ')}`.trimEnd();
  const rule = widths.map((width) => '-'.repeat(width));
  const [head = [], ...body] = rows;
  return [head, rule, ...body].map(line).join('\n');
}
