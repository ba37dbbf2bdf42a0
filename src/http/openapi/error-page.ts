import { type BuiltInFailureEntry, eventFailures, requestProblems } from '../../domain/errors.ts';
import type { KindRegistry } from '../../domain/kinds/registry.ts';

/** docs/errors.md: the closed table for people. */
export function errorPage(kinds: KindRegistry): string {
  const problems = Object.entries(requestProblems).map(([code, entry]) =>
    row([
      `\`${code}\``,
      String(entry.status),
      entry.retryable ? 'yes' : 'no',
      entry.cause,
      entry.remedy,
    ]),
  );
  return `# Errors

<!-- Printed from src/domain/errors.ts by \`npm run openapi\`. Do not edit. -->

This is the closed list: a client that knows it, and the codes of the kinds it sends, meets no other.

## Of one event

The request answers 200; the event stands in \`failed\` with its code, and the rest of the batch goes
on. *Retryable* says whether the same event, unchanged, can succeed later. *Once the server is mended*: the entry
has \`"fault": "server"\`, and a \`retryAfterMs\` that grows to an hour; so has an event that is \`BLOCKED\` behind such a
one, or \`BATCH_ABORTED\` with it. An event that failed is not stored, but for \`CONFLICT\`, which is kept so that the same
answer is given again.

${failureRows(eventFailures)}

### Of the kinds that come with Landfall

${failureRows(kinds.failures)}

Kinds of your own bring their codes with them: see [kinds.md](kinds.md).

## Of a whole request

\`application/problem+json\` (RFC 9457), always with \`code\`. Nothing was decided, but for
\`COMMIT_UNKNOWN\`. The same fault always has the same body; the request's own id, by which the log
knows it, is in the header \`X-Request-Id\`.

| code | status | retryable | cause | what the client should do |
| --- | --- | --- | --- | --- |
${problems.join('\n')}
`;
}

function failureRows(table: { readonly [code: string]: BuiltInFailureEntry }): string {
  const rows = Object.entries(table).map(([code, entry]) =>
    row([`\`${code}\``, retryableOf(entry), entry.cause, entry.remedy]),
  );
  const header = [
    '| code | retryable | cause | what the client should do |',
    '| --- | --- | --- | --- |',
  ];
  return [...header, ...rows].join('\n');
}

function retryableOf({ retryable, fault }: BuiltInFailureEntry): string {
  if (fault === 'server') return 'once the server is mended';
  return retryable ? 'yes' : 'no';
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
