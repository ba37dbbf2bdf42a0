import { readFileSync } from 'node:fs';
import { printReport } from './report.ts';

/** `node bench/print-results.ts FILE.json`: a kept result as Markdown. */
const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write('usage: node bench/print-results.ts FILE.json\n');
  process.exitCode = 1;
} else {
  process.stdout.write(printReport(JSON.parse(readFileSync(file, 'utf8'))));
}
