import { listSettings, type Setting } from './setting.ts';
import { type SettingGroup, settingGroups } from './settings.ts';

/** The files that are printed from the settings, by their path from the project's root. */
export function printSettings(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/configuration.md', configurationPage()],
    ['.env.example', exampleFile()],
  ]);
}

function configurationPage(): string {
  return `# Configuration

<!-- Printed from src/config/settings by \`npm run openapi\`. Do not edit. -->

The service and its commands (\`token\`, \`retention\`, \`remove-tenant\`, \`tenant-hash\`) read their settings from environment
variables. They also read the file \`.env\` in the working folder, when there is one: \`npm start\` and \`npm run\` read the one beside
\`package.json\`. A variable of the environment wins over the same variable of the file. A variable that is set to an empty text counts
as not set.

The settings are checked at the start. When some are wrong, the service names each of these variables and does not start. A command that
runs beside a development service needs the \`DATA_DIR\` of that service.

A duration is a number with a unit, such as \`90d\`, \`12h\`, \`30m\` or \`500ms\`. Error codes such as \`OVERLOADED\` are
described in [errors.md](errors.md), and what to do about them in [operations.md](operations.md).

${settingGroups.map(groupSection).join('\n\n')}
`;
}

function groupSection({ title, settings }: SettingGroup): string {
  const rows = listSettings(settings).map(
    ({ variable, defaultText, unit = '–', summary, details }) =>
      `| \`${variable}\` | ${defaultText} | ${unit} | ${[summary, details].filter(Boolean).join(' ')} |`,
  );
  const header = ['| variable | default | unit | what it does |', '| --- | --- | --- | --- |'];
  return [`## ${title}`, '', ...header, ...rows].join('\n');
}

function exampleFile(): string {
  const groups = settingGroups.map(({ title, settings }) =>
    [`# ${title}`, ...listSettings(settings).map(exampleLines)].join('\n\n'),
  );
  return `# Landfall reads its settings from the environment. docs/configuration.md describes each one.
# \`npm start\`, \`npm run demo\` and the commands (token, retention, remove-tenant, tenant-hash) also read a file .env beside
# package.json. Development needs no setting. Each line below shows the default or, for a setting without a default, an
# example. Remove the # in front of a variable to set it.
# This file is printed from src/config/settings by \`npm run openapi\`. Copy it to .env and edit the copy.

${groups.join('\n\n')}
`;
}

function exampleLines({ variable, example, summary }: Setting): string {
  return `# ${summary}\n# ${variable}=${example}`;
}
