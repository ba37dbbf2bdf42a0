import { bundledKinds } from '../systems/bundled.ts';
import { writeFileSync } from 'node:fs';
import { createRegistry } from '../domain/kinds/registry.ts';
import { renderFiles } from '../http/openapi/render.ts';
import { runCommand } from './command.ts';

const usage = `usage: npm run openapi

Writes openapi.yaml and docs/errors.md anew.`;

/** Writes every file that is printed from the code. A test fails while one is out of date. */
await runCommand({ usage, options: {} }, () => {
  for (const [path, text] of renderFiles(createRegistry(bundledKinds))) {
    writeFileSync(new URL(`../../${path}`, import.meta.url), text);
    process.stdout.write(`wrote ${path}\n`);
  }
});
