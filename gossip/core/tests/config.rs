//! A node from a file. No store is linked into this program.

use gossip_core::registry::PluginError;
use gossip_core::{BuildError, ConfigFile, Coordinator};

fn parse(text: &str) -> Result<ConfigFile, toml::de::Error> {
    toml::from_str(text)
}

#[tokio::test]
async fn without_a_store_the_error_says_so() {
    assert!(matches!(Coordinator::builder().build().await, Err(BuildError::NoStore)));
    assert!(matches!(Coordinator::from_config(&ConfigFile::default()).await, Err(BuildError::NoStore)));
}

#[test]
fn without_a_runtime_the_error_says_so() {
    use futures_util::FutureExt;
    let built = Coordinator::builder().build().now_or_never();
    assert!(matches!(built, Some(Err(BuildError::NoRuntime))));
}

#[tokio::test]
async fn names_that_nobody_registered_are_errors() {
    let file = parse("[store]\nkind = \"floppy\"\npath = \"a\"\nsectors = 9").unwrap();
    let error = Coordinator::from_config(&file).await.unwrap_err();
    assert!(matches!(error, BuildError::Plugin(PluginError::Unknown { what: "store", .. })), "{error}");
    let file = parse("[[transport]]\nkind = \"pigeon\"\nlisten = [\"loft\"]").unwrap();
    let error = Coordinator::from_config(&file).await.unwrap_err();
    assert!(matches!(error, BuildError::Plugin(PluginError::Unknown { what: "transport", .. })), "{error}");
}

#[tokio::test]
async fn unknown_settings_and_bad_values_are_errors() {
    for text in
        ["colour = 1", "[config]\ncolour = 1", "[config.node]\ncolour = 1", "node_id = \" \"", "[store]"]
    {
        assert!(parse(text).is_err(), "{text}");
    }
    let file = parse("[config]\nevents = 0").unwrap();
    assert!(matches!(Coordinator::from_config(&file).await, Err(BuildError::Config(_))));
    let file = parse("connect = [\"nonsense\"]").unwrap();
    assert!(matches!(Coordinator::from_config(&file).await, Err(BuildError::Address(_))));
}

#[test]
fn what_is_exchanged_can_be_chosen_in_a_file() {
    use gossip_core::Streams;
    let text = "[[sync]]\nmin_cost = 100\nchannel = \"family\"\nstreams = { only = [\"messages\", \"calls\"] }\n\
                [[sync]]\npeer = \"ann\"\nstreams = \"none\"\n[[sync]]\nstreams = { except = [] }";
    let rules = parse(text).unwrap().sync.rules;
    assert_eq!(
        (rules.len(), rules[0].min_cost, &rules[2].streams),
        (3, Some(100), &Streams::Except([].into()))
    );
    assert!(matches!(&rules[0].streams, Streams::Only(streams) if streams.len() == 2));
    assert!(rules[1].peer.is_some() && rules[1].streams == Streams::None);
    for text in
        ["[[sync]]\nstreams = \"some\"", "[[sync]]\ncolour = 1", "[[sync]]\nstreams = { only = [\"\"] }"]
    {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn an_identity_that_is_none_is_an_error() {
    let file = parse("identity = \"nowhere/to/be.found\"").unwrap();
    let error = Coordinator::from_config(&file).await.unwrap_err();
    assert!(matches!(error, BuildError::IdentityFile { .. }), "{error}");
}
