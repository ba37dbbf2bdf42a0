import { basePrecondition, type UserOperation } from './event-writer.ts';

/** Puts, patches and removes one of a few notes, sometimes with a precondition. */
export const editNote: UserOperation = (writer) => {
  const { random } = writer;
  const noteId = `note-${random.int(1, 25)}`;
  const note = { entityType: 'note', entityId: noteId };
  const text = () => `${writer.device} ${random.int(0, 9_999)}`;
  const rest = {
    ...writer.occurrence(),
    ...(random.chance(0.15) && basePrecondition(writer, note)),
  };
  const verb = random.pick(['put', 'put', 'patch', 'patch', 'patch', 'remove']);
  if (verb === 'remove') return [writer.write(note, 'note.remove', { noteId }, rest)];
  const fields = { title: text(), body: `${text()} 'quoted'; -- \u{1F600}` };
  const half = random.chance(0.5) ? { title: fields.title } : { body: fields.body };
  const payload = { noteId, ...(verb === 'put' ? fields : half) };
  return [writer.write(note, `note.${verb}`, payload, rest)];
};
