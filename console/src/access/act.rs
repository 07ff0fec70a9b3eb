//! What an operator sends to have something done: the role is asked for by the handler's type, the form is
//! good once, and it says why.

use axum::Form;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::forms::Unusable;
use super::gate::{admitted, entitled, path_of, refused_form};
use super::{Access, Guarded, Operator, Visitor};
use crate::problem::Problem;

/// Of a reason, in characters.
const WHY: std::ops::RangeInclusive<usize> = 3..=500;

/// A form that acts, who sent it and why.
#[derive(Debug)]
pub(crate) struct Act<T> {
    pub(crate) by: Operator,
    pub(crate) why: String,
    pub(crate) form: T,
}

#[derive(Deserialize)]
struct Envelope {
    form_token: Option<String>,
    why: Option<String>,
}

impl<S: Guarded, T: DeserializeOwned + Send> FromRequest<S> for Act<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let access = state.access();
        let (parts, body) = request.into_parts();
        let visitor = admitted(&parts, access).await?;
        let by: Operator = entitled(visitor, &parts, access).await?;
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state)
            .await
            .map_err(|error| Problem::of_status(error.status(), error.body_text()))?;
        let again = || Request::from_parts(parts.clone(), Body::from(bytes.clone()));
        let envelope =
            Form::<Envelope>::from_request(again(), state).await.ok().map(|Form(envelope)| envelope);
        let (sent, why) = envelope.map_or((None, None), |envelope| (envelope.form_token, envelope.why));
        let taken = match &sent {
            Some(sent) => access.forms().take(&by, path_of(&parts), sent),
            None => Err(Unusable::Foreign),
        };
        if let Err(unusable) = taken {
            return Err(refused_form(&by, &parts, access, unusable.word()).await);
        }
        let why = why.unwrap_or_default().trim().to_owned();
        if !WHY.contains(&why.chars().count()) || why.chars().any(char::is_control) {
            return Err(Problem::bad_request("bad-choice", "Say why, in 3 to 500 characters on one line."));
        }
        let Form(form) = Form::<T>::from_request(again(), state)
            .await
            .map_err(|error| Problem::of_status(error.status(), error.body_text()))?;
        Ok(Self { by, why, form })
    }
}

/// What every form that acts carries: its token for an address, and why.
pub(crate) fn act_fields(access: &Access, visitor: &Visitor, path: &str) -> maud::Markup {
    maud::html! {
        @if let Some(token) = access.forms().issue(visitor, path) {
            input type="hidden" name="form_token" value=(token);
        }
        div .field {
            label for="why" { "Why" }
            input #why name="why" required minlength=(WHY.start()) maxlength=(WHY.end()) autocomplete="off";
            p .hint { "It is kept in the log of actions, beside your name." }
        }
    }
}

/// Declares the form of an action, with what all of them carry.
macro_rules! action_form {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
        pub(crate) struct $name {
            /// Of the page's form, or of `/api/v1/form`; good once.
            #[allow(dead_code, reason = "for the description: the extractor reads it before the rest")]
            form_token: String,
            /// Why, for the log of actions: 3 to 500 characters.
            #[allow(dead_code, reason = "for the description: the extractor reads it before the rest")]
            why: String,
            $($(#[$field_doc])* pub(crate) $field: $type,)*
        }
    };
}
pub(crate) use action_form;
