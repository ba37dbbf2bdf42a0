import { basedOn, type Deed } from './author.ts';

/** Few notes and many hands: put, patch and remove, by clocks of any kind, now and then with a base. */
export const editNote: Deed = (author) => {
  const { random } = author;
  const noteId = `note-${random.int(1, 25)}`;
  const note = { entityType: 'note', entityId: noteId };
  const text = () => `${author.device} ${random.int(0, 9_999)}`;
  const rest = { ...author.when(), ...(random.chance(0.15) && basedOn(author, note)) };
  const verb = random.pick(['put', 'put', 'patch', 'patch', 'patch', 'remove']);
  if (verb === 'remove') return [author.write(note, 'note.remove', { noteId }, rest)];
  const fields = { title: text(), body: `${text()} 'quoted'; -- \u{1F600}` };
  const half = random.chance(0.5) ? { title: fields.title } : { body: fields.body };
  const payload = { noteId, ...(verb === 'put' ? fields : half) };
  return [author.write(note, `note.${verb}`, payload, rest)];
};
