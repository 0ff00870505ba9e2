//! The tokens of Postgres's SQL, as far as needed to know where a statement ends and what its words are.

/// A token, and the line that it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word or a name without quotes, in lower case.
    Word(String),
    /// A name in double quotes, as it stands.
    Name(String),
    /// A text in single quotes or between dollars.
    Text,
    /// Anything else: one character.
    Sign(char),
    /// From `--` to the end of the line, or between `/*` and `*/`.
    Comment(String),
}

/// A text that ends within something that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what begins on line {line} does not end")]
pub struct Unreadable {
    /// Where it begins, from 1.
    pub line: usize,
}

/// Reads what is left.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Takes `bytes` of what is left.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.line = self.line.saturating_add(taken.matches('\n').count());
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// Takes what stands before `end`, and `end`.
    fn take_until(&mut self, end: &str) -> Result<&'a str, Unreadable> {
        let line = self.line;
        let at = self.rest.find(end).ok_or(Unreadable { line })?;
        let taken = self.take(at);
        self.take(end.len());
        Ok(taken)
    }

    /// Takes a text in quotes that has begun: a doubled quote is one, and with `escapes` so is one after a backslash.
    fn take_quoted(&mut self, quote: char, escapes: bool) -> Result<String, Unreadable> {
        let begun = Unreadable { line: self.line };
        let mut taken = String::new();
        loop {
            taken.push_str(self.take_while(|c| c != quote && !(escapes && c == '\\')));
            let mut ahead = self.rest.chars();
            match (ahead.next(), ahead.next()) {
                (Some('\\'), Some(next)) => {
                    self.take(next.len_utf8().saturating_add(1));
                }
                (Some(_), Some(again)) if again == quote => {
                    self.take(2);
                    taken.push(quote);
                }
                (Some(ended), _) if ended == quote => {
                    self.take(1);
                    return Ok(taken);
                }
                (None | Some(_), _) => return Err(begun),
            }
        }
    }

    /// Takes a comment between `/*` and `*/`, which may hold others.
    fn take_nested(&mut self) -> Result<&'a str, Unreadable> {
        let begun = Unreadable { line: self.line };
        let text = self.rest;
        let (mut depth, mut at) = (0_usize, 0_usize);
        loop {
            let rest = text.get(at..).ok_or(begun)?;
            let open = rest.find("/*");
            let close = rest.find("*/").ok_or(begun)?;
            let (next, deeper) = match open {
                Some(open) if open < close => (open, true),
                Some(_) | None => (close, false),
            };
            at = at.saturating_add(next).saturating_add(2);
            depth = if deeper {
                depth.saturating_add(1)
            } else {
                depth.saturating_sub(1)
            };
            if depth == 0 {
                return Ok(self.take(at));
            }
        }
    }

    fn dollar_tag(&self) -> Option<&'a str> {
        let end = self.rest.get(1..)?.find('$')?.checked_add(2)?;
        let tag = self.rest.get(..end)?;
        let inside = tag.trim_matches('$');
        let fits = |c: char| c.is_alphanumeric() || c == '_';
        let begins = !inside.starts_with(|c: char| c.is_ascii_digit());
        (inside.chars().all(fits) && begins).then_some(tag)
    }
}

/// The tokens of `sql`.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Token>, Unreadable> {
    let mut reader = Reader { rest: sql, line: 1 };
    let mut tokens = Vec::new();
    loop {
        reader.take_while(char::is_whitespace);
        let line = reader.line;
        let Some(first) = reader.rest.chars().next() else {
            return Ok(tokens);
        };
        let kind = next(&mut reader, first)?;
        tokens.push(Token { kind, line });
    }
}

fn next(reader: &mut Reader<'_>, first: char) -> Result<Kind, Unreadable> {
    let rest = reader.rest;
    if rest.starts_with("--") {
        return Ok(Kind::Comment(reader.take_while(|c| c != '\n').to_owned()));
    }
    if rest.starts_with("/*") {
        return Ok(Kind::Comment(reader.take_nested()?.to_owned()));
    }
    if first == '\'' || rest.starts_with("E'") || rest.starts_with("e'") {
        let escapes = first != '\'';
        reader.take(if escapes { 2 } else { 1 });
        reader.take_quoted('\'', escapes)?;
        return Ok(Kind::Text);
    }
    if first == '"' {
        reader.take(1);
        return Ok(Kind::Name(reader.take_quoted('"', false)?));
    }
    if first == '$'
        && let Some(tag) = reader.dollar_tag()
    {
        reader.take(tag.len());
        reader.take_until(tag)?;
        return Ok(Kind::Text);
    }
    if first.is_alphabetic() || first == '_' {
        let fits = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        return Ok(Kind::Word(reader.take_while(fits).to_lowercase()));
    }
    reader.take(first.len_utf8());
    Ok(Kind::Sign(first))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn words(sql: &str) -> Vec<String> {
        let words = tokens(sql).unwrap().into_iter();
        words
            .filter_map(|token| match token.kind {
                Kind::Word(word) => Some(word),
                Kind::Name(_) | Kind::Text | Kind::Sign(_) | Kind::Comment(_) => None,
            })
            .collect()
    }

    #[test]
    fn what_is_quoted_is_no_word() {
        for sql in [
            "A 'b; DROP' C",
            "A 'it''s; DROP' C",
            r"A E'b\'; DROP' C",
            "A $$ b; DROP $$ C",
            "A $f$ b $$; DROP $$ $f$ C",
            "A \"b; DROP\" C",
            "A \"b\"\"; DROP\" C",
            "A -- b; DROP\nC",
            "A /* b /* c */ ; DROP */ C",
        ] {
            assert_eq!(words(sql), ["a", "c"], "{sql}");
        }
        assert_eq!(words("$1 a$b"), ["a$b"]);
    }

    #[test]
    fn what_does_not_end_is_told() {
        for sql in ["a\n'b", "a\n$$ b", "a\n\"b", "a\n/* /* */", "a\nE'\\'"] {
            assert_eq!(tokens(sql), Err(Unreadable { line: 2 }), "{sql}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(sql in "[a-zA-Z'\"$;,() \n*/\\\\-]{0,80}") {
            let _read = tokens(&sql);
        }
    }
}
