//! Links that let somebody in once, within ten minutes.

use tokio_postgres::GenericClient;

use super::Role;
use super::token::Token;

const ISSUE: &str = "
    insert into ops.console_ticket (ticket_sha256, name, role, ends_at)
    values ($1, $2, $3, now() + interval '10 minutes')";
const TIDY: &str = "delete from ops.console_ticket where ends_at <= now()";
/// One statement, so that of two who come at the same time one gets in.
const TAKE: &str = "
    delete from ops.console_ticket ticket
    where ticket_sha256 = $1 and ends_at > now()
      and not exists (select from ops.console_user person where person.name = ticket.name and disabled_at is not null)
    returning name, role";

/// Makes one.
pub(super) async fn issue(
    client: &impl GenericClient,
    name: &str,
    role: Role,
) -> Result<Token, tokio_postgres::Error> {
    let ticket = Token::new();
    client.execute(TIDY, &[]).await?;
    client.execute(ISSUE, &[&ticket.digest().as_slice(), &name, &role.word()]).await?;
    Ok(ticket)
}

/// Uses one up, and says for whom it was.
pub(super) async fn take(
    client: &impl GenericClient,
    ticket: &Token,
) -> Result<Option<(String, Role)>, tokio_postgres::Error> {
    let row = client.query_opt(TAKE, &[&ticket.digest().as_slice()]).await?;
    Ok(row.and_then(|row| Some((row.get(0), row.get::<_, &str>(1).parse().ok()?))))
}
