// Finding a phrase in what was recognized, whatever the case and punctuation.

/** Its words in lower case, apostrophes kept. */
export function words(text) {
  return text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
}

/** Where it was said on a leg, if it ended in what was just heard. */
export function places(phrase, speech, leg) {
  const onLeg = (part) =>
    part.filter((word) => word.leg === leg).flatMap((word) => words(word.text).map((text) => ({ ...word, text })));
  const before = onLeg(speech.before);
  const said = [...before, ...onLeg(speech.heard)];
  const found = [];
  for (let end = Math.max(before.length + 1, phrase.length); end <= said.length; end += 1) {
    const window = said.slice(end - phrase.length, end);
    if (window.every((word, n) => word.text === phrase[n])) {
      found.push({ leg, start: window[0].start, end: window[window.length - 1].end });
    }
  }
  return found;
}
