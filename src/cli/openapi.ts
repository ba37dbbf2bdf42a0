import { writeFileSync } from 'node:fs';
import { bundledKinds, createRegistry } from '../kinds/registry.ts';
import { renderFiles } from '../openapi/render.ts';

/** Writes every file that is printed from the code. A test fails while one is out of date. */
for (const [path, text] of renderFiles(createRegistry(bundledKinds))) {
  writeFileSync(new URL(`../../${path}`, import.meta.url), text);
  process.stdout.write(`wrote ${path}\n`);
}
