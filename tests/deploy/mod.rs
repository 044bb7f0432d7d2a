//! What is deployed, as far as it can be checked without a cluster: the image's recipe, and the
//! manifests with the configs in them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::cli;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The instructions of a Dockerfile, lines joined, without comments.
fn instructions(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let whole = joined.lines().map(str::trim).filter(|line| !line.is_empty());
    whole
        .map(|line| line.split_once(' ').expect("an instruction and its arguments"))
        .map(|(word, rest)| {
            (word.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// The words of the command that builds the program.
fn build_of(text: &str) -> Vec<&str> {
    let start = text.find("RUSTFLAGS=").expect("a build");
    let end = text[start..].find(['\n', '&']).unwrap_or(text.len() - start);
    text[start..start + end].split_whitespace().collect()
}

/// The reader of Arrow arrays and its casts would be a quarter of the image.
#[test]
fn the_lake_is_read_without_arrow_arrays() {
    for entry in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("exporter/lake/src/pages")).unwrap()
    {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        assert!(!code.contains("arrow::"), "{}", path.display());
    }
}

#[test]
fn the_image_is_empty_but_for_the_program_and_not_of_root() {
    let all = instructions(&read("deploy/Dockerfile"));
    let known = ["FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"];
    assert!(all.iter().all(|(word, _)| known.contains(&word.as_str())), "{all:?}");
    let froms: Vec<_> = all.iter().filter(|(word, _)| word == "FROM").collect();
    let [(_, build), (_, last)] = &froms[..] else { panic!("two stages: {froms:?}") };
    let (image, stage) = build.split_once(" AS ").expect("the first stage has a name");
    let toolchain = read("rust-toolchain.toml");
    let version = image.strip_prefix("rust:").and_then(|tag| tag.split('-').next()).unwrap();
    assert!(toolchain.contains(&format!("channel = \"{version}.")), "{image}: {toolchain}");
    assert_eq!(last, "scratch");

    let end = all.iter().rposition(|(word, _)| word == "FROM").unwrap();
    let of = |word: &str| -> Vec<&str> {
        let found = all[end..].iter().filter(|(found, _)| found == word);
        found.map(|(_, rest)| rest.as_str()).collect()
    };
    for copy in of("COPY") {
        assert!(copy.starts_with(&format!("--from={stage} ")), "{copy}");
    }
    assert!(of("RUN").is_empty(), "there is no shell");
    let [user] = of("USER")[..] else { panic!("one user") };
    let (user, group) = user.split_once(':').expect("a user and a group");
    assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0);
    for word in ["ENTRYPOINT", "CMD"] {
        let list: Vec<String> = serde_json::from_str(of(word)[0]).expect("a list, as no shell is");
        assert!(!list.is_empty());
    }
    assert_eq!(of("ENTRYPOINT"), ["[\"/profpipe\"]"]);
    // What is measured is what is built.
    let run = &all.iter().find(|(word, rest)| word == "RUN" && rest.contains("cargo")).unwrap().1;
    let measure = read("deploy/measure.sh").replace("\\\n", " ");
    assert_eq!(build_of(run), build_of(&measure));
    assert!(build_of(run).contains(&"release-slim"));
    assert!(read("Cargo.toml").contains("[profile.release-slim]"));
}

/// The documents of a manifest.
fn documents(path: &str) -> Vec<Value> {
    let text = read(path);
    let documents = text.split("\n---\n");
    documents.map(|text| serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}"))).collect()
}

fn of_kind<'d>(all: &'d [Value], kind: &str) -> Vec<&'d Value> {
    all.iter().filter(|document| document["kind"] == kind).collect()
}

#[test]
fn the_sidecar_runs_without_rights_and_with_the_example_config() {
    let all = documents("deploy/manifests/sidecar.yaml");
    let maps = of_kind(&all, "ConfigMap");
    let own = maps.iter().find(|map| map["metadata"]["name"] == "shop-profpipe").unwrap();
    let config = own["data"]["config.yaml"].as_str().unwrap();
    assert_eq!(
        config.trim_end(),
        read("configs/sidecar.yaml").trim_end(),
        "one config, said twice"
    );

    let [deployment] = of_kind(&all, "Deployment")[..] else { panic!("one deployment") };
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["automountServiceAccountToken"], false);
    let volumes: BTreeSet<_> =
        pod["volumes"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 3, "the service, the Collector and profpipe");
    for container in containers {
        let (name, security) = (&container["name"], &container["securityContext"]);
        assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(security["capabilities"]["drop"][0], "ALL", "{name}");
        assert!(container["resources"]["requests"]["memory"].is_string(), "{name}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            assert!(volumes.contains(mount["name"].as_str().unwrap()), "{name}: {mount}");
        }
    }
    let profpipe = containers.iter().find(|one| one["name"] == "profpipe").unwrap();
    let args: Vec<_> =
        profpipe["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    assert_eq!(args, ["run", "--config=/etc/profpipe/config.yaml"]);
    // The directory of the image is the one that can be written.
    let dockerfile = read("deploy/Dockerfile");
    let mounts = profpipe["volumeMounts"].as_array().unwrap();
    let spool = mounts.iter().find(|mount| mount["name"] == "spool").unwrap();
    let dir = spool["mountPath"].as_str().unwrap();
    assert!(dockerfile.contains(&format!("PROFPIPE_DATA_DIR={dir}\n")), "{dir}");
    // Probes ask the port of the config.
    let port = &profpipe["ports"][0];
    assert!(config.contains(&format!(":{}\"}}", port["containerPort"])), "{port}");
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(profpipe[probe]["httpGet"]["port"], port["name"], "{probe}");
    }
    // Each variable of the config is set, or has a default.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    fs::write(&file, config).unwrap();
    let checked = cli::profpipe(["validate".as_ref(), "--config".as_ref(), file.as_os_str()]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{}", checked.stdout);
}
