//! The verbs: each makes an opaque verdict that remembers its line; a verb wishes, it never acts.

use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use super::functions::running;
use super::pause::span_of;
use super::session::{ApiError, Session};
use crate::model::facts::StandIn;
use crate::model::text::json_len;
use crate::model::{Action, Login, Principal, Verdict};

/// Longest note, in characters.
const NOTE_CHARS: usize = 2000;
/// Longest reason or `because`, in characters.
const WORDS_CHARS: usize = 500;
/// Bytes as JSON that a character may take on average: with more a verdict would fit no record. Letters
/// with accents take two, most other scripts' three, control characters six.
const BYTES: usize = 2;

type Made = Result<ScriptVerdict, Box<EvalAltResult>>;

/// A verdict on its way out of a script.
#[derive(Clone, Debug)]
pub struct ScriptVerdict {
    /// What the script wants.
    pub verdict: Verdict,
    /// Line of the verb that made it, from 1.
    pub line: Option<u32>,
    /// Which of the run's pauses `after` took, where it took one.
    pub pause: Option<usize>,
}

fn made(context: &NativeCallContext<'_>, verdict: Verdict) -> ScriptVerdict {
    ScriptVerdict {
        verdict,
        line: context
            .call_position()
            .line()
            .and_then(|l| u32::try_from(l).ok()),
        pause: None,
    }
}

fn act(context: &NativeCallContext<'_>, action: Action) -> ScriptVerdict {
    made(
        context,
        Verdict::Act {
            action,
            after: None,
            because: None,
            priority: 0,
        },
    )
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Box<EvalAltResult>> {
    Err(ApiError::script(message).boxed())
}

fn words(verb: &str, text: &str, most: usize) -> Result<Arc<str>, Box<EvalAltResult>> {
    let text = text.trim();
    if text.is_empty() {
        return refuse(format!("{verb} needs words that a person can act on"));
    }
    if text.chars().count() > most {
        return refuse(format!("{verb}: text is longer than {most} characters"));
    }
    if json_len(text) > most * BYTES {
        return refuse(format!(
            "{verb}: text is longer than {} bytes as JSON",
            most * BYTES
        ));
    }
    Ok(Arc::from(text))
}

/// Takes the principal with its key where the facts know one, else by name alone.
fn principal(session: &Session, text: &str) -> Result<Principal, ApiError> {
    // the key comes from facts that the script itself has not read
    session.hangs_on_more();
    if let Some(owner) = session.facts.owner.value()
        && let StandIn::Found { to, .. } = &owner.stand_in
        && to.to_string() == text
    {
        return Ok(to.clone());
    }
    if let Some(role) = &session.facts.fulfilment_role
        && role.to_string() == text
    {
        return Ok(role.clone());
    }
    match text.split_once(':') {
        Some(("user", login)) if !login.trim().is_empty() => Ok(Principal::User {
            key: None,
            login: Login::new(login),
        }),
        Some(("role", name)) if !name.trim().is_empty() => Ok(Principal::Role {
            key: None,
            name: Arc::from(name.trim()),
        }),
        _ => Err(ApiError::script(format!(
            "`{text}` is nobody to reassign to; write \"user:LOGIN\" or \"role:NAME\""
        ))),
    }
}

fn after(mut made: ScriptVerdict, given: &Dynamic) -> Made {
    let (span, pause) = span_of(given)?;
    made.pause = pause;
    match &mut made.verdict {
        Verdict::Act { after, .. } | Verdict::Leave { after, .. } | Verdict::Ask { after, .. } => {
            *after = Some(span);
        }
    }
    Ok(made)
}

fn because(mut made: ScriptVerdict, text: &str) -> Made {
    match &mut made.verdict {
        Verdict::Act { because, .. } => *because = Some(words("because", text, WORDS_CHARS)?),
        Verdict::Leave { .. } | Verdict::Ask { .. } => {
            return refuse("leave and ask already carry their reason; because is for acts");
        }
    }
    Ok(made)
}

fn priority(mut made: ScriptVerdict, number: i64) -> Made {
    let Some(number) = i32::try_from(number)
        .ok()
        .filter(|n| (-1000..=1000).contains(n))
    else {
        return refuse(format!("priority {number} is not within -1000 to 1000"));
    };
    match &mut made.verdict {
        Verdict::Act { priority, .. } => *priority = number,
        Verdict::Leave { .. } | Verdict::Ask { .. } => {
            return refuse("only acts have a priority");
        }
    }
    Ok(made)
}

/// Registers the verbs and what may be chained to them.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<ScriptVerdict>("verdict");
    engine.register_fn("retry", |c: NativeCallContext<'_>| act(&c, Action::Retry));
    engine.register_fn("manual_complete", |c: NativeCallContext<'_>| {
        act(&c, Action::ManualComplete)
    });
    engine.register_fn(
        "reassign",
        |c: NativeCallContext<'_>, to: ImmutableString| -> Made {
            let to = principal(&*running(&c)?, &to).map_err(ApiError::boxed)?;
            Ok(act(&c, Action::Reassign { to }))
        },
    );
    engine.register_fn("reassign", |to: Dynamic| -> Made {
        refuse(format!(
            "reassign needs \"user:LOGIN\" or \"role:NAME\", not {}; test for () first",
            if to.is_unit() { "()" } else { to.type_name() }
        ))
    });
    engine.register_fn(
        "set_note",
        |c: NativeCallContext<'_>, text: ImmutableString| -> Made {
            let text = words("set_note", &text, NOTE_CHARS)?;
            Ok(act(&c, Action::SetNote { text }))
        },
    );
    engine.register_fn(
        "set_response",
        |c: NativeCallContext<'_>, code: ImmutableString| -> Made {
            let code = words("set_response", &code, WORDS_CHARS)?;
            Ok(act(&c, Action::SetResponse { code }))
        },
    );
    engine.register_fn(
        "leave",
        |c: NativeCallContext<'_>, reason: ImmutableString| -> Made {
            let reason = words("leave", &reason, WORDS_CHARS)?;
            Ok(made(
                &c,
                Verdict::Leave {
                    reason,
                    after: None,
                },
            ))
        },
    );
    engine.register_fn(
        "ask",
        |c: NativeCallContext<'_>, reason: ImmutableString| -> Made {
            let reason = words("ask", &reason, WORDS_CHARS)?;
            Ok(made(
                &c,
                Verdict::Ask {
                    reason,
                    after: None,
                },
            ))
        },
    );
    engine.register_fn("after", |v: ScriptVerdict, given: Dynamic| after(v, &given));
    engine.register_fn("because", |v: ScriptVerdict, text: ImmutableString| {
        because(v, &text)
    });
    engine.register_fn("priority", priority);
}
