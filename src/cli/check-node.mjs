// Runs first, by `node --import`. An older Node cannot load TypeScript, so this file is plain JavaScript.
import { existsSync, readFileSync } from 'node:fs';

/** @param {string} line */
function refuse(line) {
  process.stderr.write(`Landfall cannot start.\n${line}\n`);
  process.exit(1);
}

const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
const needed = JSON.parse(manifest).engines.node.replace('>=', '');
const numbers = [process.versions.node, needed].map((version) => version.split('.').map(Number));
const [[major, minor], [neededMajor, neededMinor]] = numbers;
if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  refuse(
    `node: this is Node ${process.versions.node}, and ${needed} or newer is needed: npm ci brings one, ` +
      'which npm start and npm run use; by hand it is node_modules/.bin/node',
  );
}
if (!existsSync(new URL('../generated/client.ts', import.meta.url))) {
  refuse(
    'src/generated: the database client is missing, as npm ci was told to run no scripts: run npm run prepare',
  );
}
