import { stringify } from 'yaml';
import type { KindRegistry } from '../../domain/kinds/registry.ts';
import { buildDocument } from './document.ts';
import { errorPage } from './error-page.ts';
import { selectExamples } from './examples.ts';

/** Every file that is printed from the code, by its path from the project's root. */
export function renderFiles(kinds: KindRegistry): ReadonlyMap<string, string> {
  const document = buildDocument(kinds, selectExamples(kinds));
  // Long texts stay on one line each, so that a changed word is a changed line.
  const yaml = stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
  const notice =
    '# Printed from src/protocol, src/kinds and src/domain/errors.ts by `npm run openapi`. Do not edit.\n';
  return new Map([
    ['openapi.yaml', notice + yaml],
    ['docs/errors.md', errorPage(kinds)],
  ]);
}
