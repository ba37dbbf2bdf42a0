import { parseArgs } from 'node:util';
import { loadConfig } from '../config.ts';
import { developmentSecret } from '../development-secret.ts';
import { loadDotEnv } from '../dot-env.ts';
import { readDuration } from '../duration.ts';
import { everyScope, issueToken } from '../token.ts';

const usage = `usage: npm run --silent token -- --tenant T --device D [--subject S] [--scope "${everyScope}"] [--ttl 1h]`;

/** Prints a token and nothing else, so that it can be caught in a variable. */
function main(): void {
  const { values } = parseArgs({
    options: {
      tenant: { type: 'string' },
      device: { type: 'string' },
      subject: { type: 'string' },
      scope: { type: 'string', default: everyScope },
      ttl: { type: 'string', default: '1h' },
    },
  });
  const { tenant, device, subject = device, scope, ttl } = values;
  const ttlMs = readDuration(ttl);
  if (!tenant || !device || !subject) throw new Error('--tenant and --device are needed');
  if (ttlMs === undefined) throw new Error(`--ttl ${ttl} is not a duration`);
  loadDotEnv();
  const { auth } = loadConfig(process.env, developmentSecret);
  process.stdout.write(`${issueToken(auth, { tenant, device, subject, scope, ttlMs })}\n`);
}

try {
  main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
  process.exitCode = 1;
}
