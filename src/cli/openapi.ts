import { writeFileSync } from 'node:fs';
import { runCommand } from './command.ts';
import { generatedFiles } from './generated-files.ts';

const usage = `usage: npm run openapi

Writes openapi.yaml, docs/errors.md, docs/configuration.md and .env.example anew.`;

/** Writes every file that is printed from the code. A test fails if one of them is out of date. */
await runCommand({ usage, options: {} }, () => {
  for (const [path, text] of generatedFiles()) {
    writeFileSync(new URL(`../../${path}`, import.meta.url), text);
    process.stdout.write(`wrote ${path}\n`);
  }
});
