//! The section `[intake]`: where hints come in and how many are held; no secret is read and no folder looked at here.

use super::super::load::Env;
use super::super::raw::IntakeRaw;
use super::super::read::Reader;
use super::server::secret_file;
use super::{DAY, HOUR, MINUTE, SECOND, listen};
use crate::model::settings::{AdminSettings, IntakeSettings};

pub(super) fn resolve(
    r: &mut Reader<'_>,
    raw: &IntakeRaw,
    admin: &AdminSettings,
    env: &Env,
) -> IntakeSettings {
    let keys = ("intake.secret_file", "intake.credential");
    let settings = IntakeSettings {
        listen: listen(r, "intake.listen", &raw.listen, "off"),
        secret_file: secret_file(r, keys, &raw.secret_file, &raw.credential, env),
        folder: r.path("intake.folder", &raw.folder),
        max_waiting: r.number(
            "intake.max_waiting",
            &raw.max_waiting,
            100_000,
            100,
            1_000_000,
        ),
        reads_per_cycle: r.number(
            "intake.reads_per_cycle",
            &raw.reads_per_cycle,
            100,
            2,
            10_000,
        ),
        earliest: r.duration("intake.earliest", &raw.earliest, SECOND * 30, SECOND, DAY),
        persons_file: r.path("intake.persons_file", &raw.persons_file),
        persons_every: r.duration(
            "intake.persons_every",
            &raw.persons_every,
            HOUR * 6,
            MINUTE * 10,
            DAY * 30,
        ),
        persons_per_cycle: r.number(
            "intake.persons_per_cycle",
            &raw.persons_per_cycle,
            5,
            // one place stays the file's where persons are named
            2,
            1_000,
        ),
    };
    if settings.listen.is_some() && raw.secret_file.is_none() && raw.credential.is_none() {
        r.error(
            keys.0,
            "is missing, and so is intake.credential",
            "name a file that holds the secret of the senders, as made by `echo whsec_$(openssl rand -base64 32)`",
        );
    }
    if settings.listen.is_some() && settings.listen == admin.listen {
        r.error(
            "intake.listen",
            "is the address of admin.listen",
            "events are not taken where metrics are shown: choose another port",
        );
    }
    settings
}
