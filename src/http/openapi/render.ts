import { stringify } from 'yaml';
import { type BuiltInFailureEntry, eventFailures, requestProblems } from '../../domain/errors.ts';
import type { KindRegistry } from '../../domain/kinds/registry.ts';
import { buildDocument } from './document.ts';
import { selectExamples } from './examples.ts';

/** The files that are printed from the protocol and the kinds, by their path from the project's root. */
export function renderFiles(kinds: KindRegistry): ReadonlyMap<string, string> {
  const document = buildDocument(kinds, selectExamples(kinds));
  // A long text stays on one line. So a diff shows only the lines whose text changed.
  const yaml = stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
  const notice =
    '# Printed from src/protocol, src/systems and src/domain/errors.ts by `npm run openapi`. Do not edit.\n';
  return new Map([
    ['openapi.yaml', notice + yaml],
    ['docs/errors.md', errorPage(kinds)],
  ]);
}

/** Renders docs/errors.md. */
function errorPage(kinds: KindRegistry): string {
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

This list is complete: a client receives only these codes and the codes of the kinds that it sends.

## Codes of one event

The request is answered 200. The event is in \`failed\` with its code, and the other events of the batch are decided.
*Retryable* says whether the same event, unchanged, can succeed later. *After a correction of the server*: the entry has
\`"fault": "server"\` and a \`retryAfterMs\` that grows up to an hour. An event that is \`BLOCKED\` behind such an event, or
\`BATCH_ABORTED\` with it, has both too. A failed event is not stored, except with \`CONFLICT\`: it is stored, so that a resend gets
the same answer.

${failureRows(eventFailures)}

### Codes of the kinds that come with Landfall

${failureRows(kinds.failures)}

Your own kinds define their own codes: see [kinds.md](kinds.md).

## Codes of a whole request

The answer is \`application/problem+json\` (RFC 9457), always with \`code\`. No event was decided, except possibly with
\`COMMIT_UNKNOWN\`. The same problem always has the same body. The header \`X-Request-Id\` has the id of the request in the log.

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
  if (fault === 'server') return 'after a correction of the server';
  return retryable ? 'yes' : 'no';
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
