//! Words of error texts that are nobody's name; what is not here is masked where it looks like one.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Everyday and technical words, in small letters.
const WORDS: &str = "
a aborted about accept accepted access account accounts acquire action active activity adapter add added address addresses
admin administrator after again age agent alias all allow allowed already also although an and another any api application are as
at attempt attribute attributes auth authenticated authentication authorization authorized available back bad base be because been
before being best between bind bound broken budget busy but by call called can cancel canceled cancelled cannot catalog cause
caused certificate change changed changes channel character characters check child class client closed code column com command
comment commit communication complete completed component condition config configuration conflict conflicts connect connected
connecting connection connections connector constraint contact contains context control could create created creating creation
credential credentials currently data database date day deadlock deadlocked deadline declined default defined delay delete deleted
denied denies department deprecated descriptor detected detail details did digit directory disable disabled disk dn do does domain
done down due duplicate during each edited either email empty enable enabled encountered end enough enter entry err error
errors event exceed exceeded exception exceptions exchange execute executing execution exhausted exist existing exists expected
expired extend external fail failed failing fails failure fault feature field fields file filter first folder for forbidden form
format found free from full function gateway general given global grant granted greater group groups had handler handshake has have
hint home host hostname http https id identifier identity if illegal immediate implementation in inactive incorrect index infinite
information initial input insert insufficient internal into invalid io is issue it its java javax job key known lacks language
last later ldap ldaps length less level license licenses limit limitation line link list listener local lock locked locking log
logged login logon long lookup lost machine mail mailbox maintenance managed management manager mandatory manual many mapping master
match maximum may member members memory message method minimum minute minutes missing mode modified modify module more most must
name naming native net network new no node nor normal not nothing notification nowait null number object objects occurred of off
office oim ok old on once one only open operation operational operations option or ora oracle order org organization other out
outside over overload page parameter parent parse partner password path per perform performed permission permissions permitted
person phase phone pipe place please policy pool port possible prd prevents previous principal print privilege privileges problem
procedure process processed processes processing profile program prohibited property protocol provided provider provision
provisioning proxy publickey query queue quota rate reach reached read reason received recipient reconnect record records reference
refused region register rejected relation release remaining remote removed rename repeat replace replica replied reply report
request requested requests require required requirements reset resolve resource resources response restart restarting restricted
result retries retry returned revoke revoked right rights role roles root route row rule running runtime runspace same schema script
search second seconds secure security see seems segment self send sender server service services session sessions set should
shutdown shutting sign simple single site size socket software some special specified specify sql ssh ssl start started starting
state statement status step stopped storage store string style subject subscription such sudo super supported suspended svc sync
syntax sys system table tablespace target task tcp telephone template temporarily temporary terminated test than that the their then
there these they this throttled throttling through time timed timelimit timeout tls to token too total transaction transport tries
try trying two type unable unauthorized unavailable unexpected unhandled unique unit unknown unreachable unresolved until unwilling
up update updated verify verifying wait ensure contact consult refer ask tell updating use used user userid username users using valid validation value values verification version via
violated violation violates virtual waiting was were when where which while will with within without work worker workflow write
written wrong yes you your zone
abap acl ad adp auth bapi cpu crud csv ddl dml dns dsml eof ews fk gc gid guid gss idm imap ip jco jdbc jms jndi jvm kdc krb mtls
nat nfs nis ntlm oauth odbc oid oim ou pdf pkix pop posix psql rbac rdbms rest rfc rpc saml sap scim sftp smtp soap spn sso svcerr
tns tns udp uc uid upn uri url utc utf uuid vpn winrm wsdl xa xml
adcreateuser admin aws azure cloud edirectory exchange gateway github google java jira kerberos linux microsoft mysql oracle
postgres powershell salesforce servicenow sharepoint slack solaris sybase unix windows workday zoom
monday tuesday wednesday thursday friday saturday sunday
";

static KNOWN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| WORDS.split_whitespace().collect());

/// True for a word (in small letters) that is nobody's name.
pub fn holds(word: &str) -> bool {
    KNOWN.contains(word)
}
