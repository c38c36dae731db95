use super::*;

fn text(error: ConfigError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "more than one line: {text}");
    text
}

fn file_error(toml: &str) -> String {
    text(Config::from_toml(toml, "my.toml").expect_err("the file is wrong"))
}

fn set_error(assignment: &str) -> String {
    text(Config::default().set(assignment).expect_err("the assignment is wrong"))
}

#[test]
fn keys_are_those_of_the_file() {
    let table: Table = toml::from_str(&Config::default().to_toml().unwrap()).unwrap();
    let mut in_file: Vec<String> = table
        .iter()
        .flat_map(|(section, fields)| fields.as_table().unwrap().keys().map(move |field| format!("{section}.{field}")))
        .collect();
    let mut known: Vec<String> = Config::default().keys().into_iter().map(|key| key.name).collect();
    in_file.sort();
    known.sort();
    // What differs from view to view is left out where nothing does.
    known.retain(|key| !key.starts_with("augment.second.") && !key.starts_with("augment.small."));
    in_file.retain(|key| !matches!(key.as_str(), "augment.second" | "augment.small"));
    assert_eq!(in_file, known);
    assert!(Config::default().keys().iter().all(|key| key.help.len() > 8 && !key.help.contains('\n')));
}

#[test]
fn presets_are_valid_and_round_trip() {
    for name in Config::presets() {
        let config = Config::preset(name).unwrap();
        config.validate().unwrap();
        let back = Config::from_toml(&config.to_toml().unwrap(), "back").unwrap();
        assert_eq!(back, config.resolved(), "{name}");
        assert_eq!(back.resolved(), back, "{name}");
    }
    Config::default().validate().unwrap();
}

#[test]
fn presets_follow_their_sources() {
    let demo = Config::preset("demo").unwrap();
    assert_eq!((demo.data.source.as_str(), demo.data.image_size), ("demo", 28));
    assert_eq!((demo.model.blocks(), demo.model.feature_width()), (vec![1, 1, 1, 1], 64));
    assert_eq!((demo.model.projector_hidden(), demo.model.predictor_dim()), (128, 32));
    assert_eq!(demo.optim.schedule, Schedule::Step);

    let cifar = Config::preset("cifar10").unwrap();
    assert_eq!((cifar.optim.lr, cifar.optim.epochs, cifar.optim.batch_size), (0.03, 800, 512));
    assert_eq!((cifar.model.arch, cifar.model.stem, cifar.model.projector_layers), (Arch::Resnet18, Stem::Cifar, 2));
    assert_eq!((cifar.model.feature_width(), cifar.model.predictor_dim()), (512, 512));
    assert_eq!(cifar.augment.blur_probability, 0.0);

    let imagenet = Config::preset("imagenet").unwrap();
    assert_eq!((imagenet.model.feature_width(), imagenet.model.projector_hidden()), (2048, 2048));
    assert!(!imagenet.model.output_affine);
    assert_eq!(imagenet.optim.schedule, Schedule::Epoch);
}

#[test]
fn a_file_starts_from_defaults_or_a_preset() {
    let plain = Config::from_toml("[optim]\nlr = 1\n", "my.toml").unwrap();
    assert_eq!(plain.optim.lr, 1.0);
    assert_eq!(plain.model, ModelConfig::default());
    let preset = Config::from_toml("preset = \"cifar10\"\n[optim]\nepochs = 100\n", "my.toml").unwrap();
    assert_eq!((preset.optim.epochs, preset.optim.lr, preset.model.projector_layers), (100, 0.03, 2));
}

#[test]
fn single_assignments() {
    let mut config = Config::default();
    for assignment in [
        "optim.lr=0.1",
        "optim.weight_decay = .5",
        "data.source=idx:/some where/else",
        "model.arch=resnet_tiny",
        "model.blocks=[2, 1]",
        "method.stop_gradient=false",
        "method.predictor=none",
        "optim.schedule=\"epoch\"",
        "augment.crop_scale=[0.08, 1]",
    ] {
        config.set(assignment).unwrap();
    }
    assert_eq!((config.optim.lr, config.optim.weight_decay), (0.1, 0.5));
    assert_eq!(config.data.source, "idx:/some where/else");
    assert_eq!((config.model.blocks(), config.model.feature_width()), (vec![2, 1], 128));
    let text = |key| config.text(key).unwrap();
    assert_eq!((text("method.stop_gradient").as_str(), text("method.predictor").as_str()), ("false", "none"));
    assert_eq!((config.optim.schedule, config.augment.crop_scale), (Schedule::Epoch, [0.08, 1.0]));
    config.validate().unwrap();

    let before = config.clone();
    config.set("optim.batch_size=1").unwrap_err();
    assert_eq!(config, before, "a refused assignment changes nothing");
}

#[test]
fn unknown_names_get_a_suggestion() {
    assert_eq!(
        file_error("[optim]\nlearning_rat = 1\n"),
        "my.toml: unknown key optim.learning_rat; the sections are data, augment, model, method, optim, run"
    );
    assert_eq!(
        file_error("[optim]\nbach_size = 1\n"),
        "my.toml: unknown key optim.bach_size; did you mean optim.batch_size?"
    );
    assert_eq!(file_error("lr = 1\n"), "my.toml: unknown key lr; did you mean optim.lr?");
    assert_eq!(
        file_error("[train]\nepochs = 1\n"),
        "my.toml: unknown key train; the sections are data, augment, model, method, optim, run"
    );
    assert_eq!(set_error("model.epochs=1"), "--set: unknown key model.epochs; did you mean optim.epochs?");
    assert_eq!(set_error("epochs=1"), "--set: unknown key epochs; did you mean optim.epochs?");
    assert!(set_error("optim.lr.x=1").starts_with("--set: unknown key optim.lr.x; "));
    assert!(set_error("preset=demo").contains("choose a preset with --preset"));
    assert_eq!(set_error("optim.lr"), "--set optim.lr: write it as section.key=value, such as optim.lr=0.1");
    let unknown = "unknown preset \"cifar\"; choose one of demo, fashion-mnist, cifar10, photos, imagenet";
    assert_eq!(text(Config::preset("cifar").unwrap_err()), unknown);
    assert_eq!(file_error("preset = \"cifar\"\n"), unknown);
    assert!(file_error("preset = 3\n").contains("preset = 3: expected a preset's name"));
}

#[test]
fn wrong_types_and_syntax() {
    assert!(
        file_error("[optim]\nlr = \"fast\"\n")
            .starts_with("my.toml: optim.lr = \"fast\": expected a number (Base learning rate")
    );
    assert!(file_error("[optim]\nepochs = 2.5\n").contains("optim.epochs = 2.5: expected a whole number, 0 or more"));
    assert!(file_error("[optim]\nepochs = -2\n").contains("optim.epochs = -2: expected a whole number, 0 or more"));
    assert!(file_error("[method]\nstop_gradient = 1\n").contains("method.stop_gradient = 1: expected true or false"));
    assert!(
        file_error("[augment]\ncrop_scale = 0.2\n").contains("augment.crop_scale = 0.2: expected a list of 2 numbers")
    );
    assert!(
        file_error("[augment]\ncrop_scale = [0.2]\n")
            .contains("augment.crop_scale = [0.2]: expected a list of 2 numbers")
    );
    assert!(
        file_error("[augment]\nmean = [1, 2, 3, 4]\n")
            .contains("mean = [1, 2, 3, 4]: expected fewer numbers (Mean of red")
    );
    assert!(file_error("[model]\nblocks = 3\n").contains("model.blocks = 3: expected a list such as"));
    assert!(
        set_error("model.arch=resnet9").contains("--set: model.arch = \"resnet9\": expected one of resnet18, resnet34")
    );
    assert!(set_error("model.arch=9").contains("model.arch = 9: expected one of the words"));
    assert!(set_error("data.source=9").contains("expected a text in quotes"));
    assert!(
        set_error("method.name=dino")
            .contains("method.name = \"dino\": expected one of simsiam, simclr, mocov1, mocov2, byol, swav (Method")
    );
    assert!(file_error("optim = 3\n").contains("optim = 3: a section: write [optim]"));
    assert!(file_error("[optim]\nlr = \n").starts_with("my.toml, line 2, column 6: "));
    assert!(file_error("[optim]\nlr = 1\nlr = 2\n").starts_with("my.toml, line 3, column 1: duplicate key"));
}

#[test]
fn values_out_of_range() {
    for (assignment, message) in [
        ("optim.batch_size=1", "--set: optim.batch_size = 1: batch normalisation needs at least 2 images"),
        ("optim.batch_size=0", "batch normalisation needs at least 2 images"),
        ("optim.lr=-1", "optim.lr = -1: the learning rate must be a finite number"),
        ("optim.lr=nan", "optim.lr = nan: the learning rate must be a finite number"),
        ("optim.lr=inf", "optim.lr = inf: the learning rate must be a finite number"),
        ("optim.momentum=1", "optim.momentum = 1: momentum must be 0 to below 1"),
        ("optim.weight_decay=-0.1", "weight decay must be"),
        ("optim.epochs=0", "train for 1 to 1000000 epochs"),
        (
            "augment.crop_scale=[1.0, 0.2]",
            "augment.crop_scale = [1.0, 0.2]: write [low, high] with 0 < low <= high <= 1",
        ),
        ("augment.crop_scale=[0, 1]", "write [low, high] with 0 < low <= high <= 1"),
        ("augment.crop_scale=[0.2, 1.1]", "write [low, high] with 0 < low <= high <= 1"),
        ("augment.crop_ratio=[0, 1]", "write [low, high] with 0 < low <= high"),
        ("augment.crop_ratio=[nan, 1]", "write [low, high] with 0 < low <= high"),
        ("augment.flip=1.5", "augment.flip = 1.5: a probability must be 0 to 1"),
        ("augment.jitter_probability=-0.1", "a probability must be 0 to 1"),
        ("augment.grayscale=nan", "a probability must be 0 to 1"),
        ("augment.blur_probability=2", "a probability must be 0 to 1"),
        ("augment.solarize=-1", "a probability must be 0 to 1"),
        ("augment.brightness=-1", "a strength must be 0 (off) or more"),
        ("augment.contrast=inf", "a strength must be 0 (off) or more"),
        ("augment.hue=0.6", "a hue shift must be 0 (off) to 0.5"),
        ("augment.blur_sigma=[0, 2]", "write [low, high] in pixels"),
        ("augment.mean=[nan, 0, 0]", "each mean must be a finite number"),
        ("augment.std=[0, 1, 1]", "each standard deviation must be above 0"),
        ("model.blocks=[1, 0]", "write 1 to 6 stages"),
        ("model.width=0", "model.width = 0: the first stage must have 1 to 4096 channels"),
        ("model.projector_layers=4", "the projector has 2 or 3 layers"),
        ("model.projector_hidden=0", "leave the key out for the backbone's feature width"),
        ("model.dim=1", "the output must be 2 to 65536 wide"),
        ("model.predictor_dim=0", "leave the key out for dim / 4"),
        ("data.image_size=0", "the side of a view must be 1 to 4096 pixels"),
        ("run.knn_k=0", "at least one neighbour must vote"),
        ("run.knn_temperature=0", "the temperature must be 0.015 or more"),
        ("method.target_momentum=1", "method.target_momentum = 1: a moving average keeps 0 (off) to below 1"),
    ] {
        let error = set_error(assignment);
        assert!(error.contains(message), "{assignment}: {error}");
    }
    assert!(file_error("[optim]\nbatch_size = 1\n").starts_with("my.toml: optim.batch_size = 1: batch normalisation"));
}

#[test]
fn values_that_do_not_fit_together() {
    let mut config = Config::preset("demo").unwrap();
    config.model.arch = Arch::Resnet18;
    let expected = "configuration: model.blocks = [1, 1, 1, 1]: resnet18 has blocks [2, 2, 2, 2]; write [] or use arch = \"resnet_tiny\"";
    assert_eq!(text(config.validate().unwrap_err()), expected);
    config.model.blocks = vec![2, 2, 2, 2];
    config.validate().unwrap();
    (config.optim.epochs, config.optim.warmup_epochs) = (6, 6);
    assert!(text(config.validate().unwrap_err()).contains("shorter than the 6 epochs"));
    config.optim.warmup_epochs = 0;
    config.run.seed = u64::MAX;
    assert!(text(config.validate().unwrap_err()).contains("run.seed = \"too large\": a seed must be below 2^63"));
    assert!(text(config.to_toml().unwrap_err()).contains("below 2^63"));
}

#[test]
fn the_data_must_fill_a_batch() {
    let config = Config::preset("demo").unwrap();
    config.check_against(64).unwrap();
    assert_eq!(config.run.neighbours(64), 64);
    assert_eq!(config.run.neighbours(5000), 200);
    assert_eq!(
        text(config.check_against(63).unwrap_err()),
        "data: optim.batch_size = 64: a batch is larger than the 63 training images; set it to 63 or less (--batch-size 63)"
    );
    assert!(text(config.check_against(1).unwrap_err()).contains("1 training images"));
}

#[test]
fn the_second_view_and_small_crops_differ_where_they_say_so() {
    let plain = Config::default().augment;
    assert_eq!(plain.second_view(), plain.first_view());
    let file = "[augment]\nflip = 0.25\n[augment.second]\nblur_probability = 0.1\nsolarize = 0.2\n[augment.small]\ncount = 6\nsize = 18\n";
    let mut config = Config::from_toml(file, "my.toml").unwrap();
    let (first, second, small) =
        (config.augment.first_view(), config.augment.second_view(), config.augment.small_crop());
    assert_eq!(first, AugmentConfig { flip: 0.25, ..AugmentConfig::default() });
    assert_eq!(second, AugmentConfig { blur_probability: 0.1, solarize: 0.2, ..first.clone() });
    assert_eq!(small, AugmentConfig { crop_scale: [0.05, 0.14], ..first });
    let back = Config::from_toml(&config.to_toml().unwrap(), "back").unwrap();
    assert_eq!(back, config.resolved());

    config.set("augment.second.solarize=.3").unwrap();
    config.set("augment.small.crop_scale=[0.08, 0.5]").unwrap();
    config.set("augment.small.jitter_probability=1").unwrap();
    assert_eq!(config.augment.second.solarize, Some(0.3));
    assert_eq!(config.augment.small_crop().crop_scale, [0.08, 0.5]);
    assert_eq!(config.text("augment.second.solarize").as_deref(), Some("0.3"));
    assert_eq!(config.text("augment.second.flip").as_deref(), Some(""));
    config.clear("augment.second.solarize");
    config.clear("augment.small.crop_scale");
    assert_eq!((config.augment.second.solarize, config.augment.small.crop_scale), (None, Some([0.05, 0.14])));
    config.validate().unwrap();

    config.set("data.image_size=16").unwrap();
    assert_eq!(
        text(config.validate().unwrap_err()),
        "configuration: augment.small.size = 18: small crops must not be larger than the views, 16 pixels; set it to 16 or less"
    );
    for (assignment, message) in [
        ("augment.second.flip=2", "--set: augment.second.flip = 2: a probability must be 0 to 1"),
        ("augment.small.count=65", "--set: augment.small.count = 65: an image has 0 (none) to 64 small crops"),
        ("augment.small.size=0", "must be 1 to 4096 pixels"),
        ("augment.second.blur_sigma=[0, 2]", "augment.second.blur_sigma = [0, 2]: write [low, high] in pixels"),
        ("augment.second.crop_scale=0.5", "expected a list of 2 numbers"),
        ("augment.second.hue=wide", "augment.second.hue = \"wide\": expected a number (Second view: Largest hue shift"),
        ("augment.second.mean=[0, 0, 0]", "unknown key augment.second.mean; did you mean augment.mean?"),
        ("augment.third.flip=0", "unknown key augment.third.flip"),
        ("augment.second=1", "unknown key augment.second"),
    ] {
        let error = set_error(assignment);
        assert!(error.contains(message), "{assignment}: {error}");
    }
    assert!(file_error("[augment]\nsecond = 3\n").contains("augment.second = 3: a section: write [augment.second]"));
    // A wrong value is blamed once, not on each view that inherits it.
    let mut config = Config::default();
    config.augment.flip = 2.0;
    assert_eq!(config.problems().len(), 1);
}

#[test]
fn a_method_has_keys_of_its_own() {
    let file = "[method]\nmomentum = 0.5\nname = \"byol\"\n";
    let mut config = Config::from_toml(file, "my.toml").unwrap();
    assert_eq!((config.method.name(), config.text("method.momentum").as_deref()), ("byol", Some("0.5")));
    let own: Vec<String> = config.method.keys().into_iter().map(|key| key.name).collect();
    assert_eq!(own, ["method.name", "method.momentum", "method.momentum_schedule", "method.predictor"]);
    let back = Config::from_toml(&config.to_toml().unwrap(), "back").unwrap();
    assert_eq!(back, config.resolved());
    // The name that is there changes nothing; another one brings its defaults.
    config.set("method.name=byol").unwrap();
    assert_eq!(config.text("method.momentum").as_deref(), Some("0.5"));
    assert_eq!(
        text(config.set("method.stop_gradient=false").unwrap_err()),
        "--set: unknown key method.stop_gradient; it is a key of simsiam, simclr, swav; byol has name, momentum, momentum_schedule, predictor"
    );
    assert!(
        text(config.set("method.momentum=1.5").unwrap_err())
            .contains("method.momentum = 1.5: the momentum must be 0 to 1")
    );
    assert!(
        text(config.set("method.momentum=fast").unwrap_err())
            .contains("expected a number (What the target network keeps")
    );
    assert!(text(config.set("method.momentun=1").unwrap_err()).contains("did you mean method.momentum?"));
    config.set("method.name=simsiam").unwrap();
    assert_eq!(config.method, Config::default().method);

    let of_preset = Config::preset_for("demo", "byol").unwrap();
    assert_eq!((of_preset.model.predictor_dim(), of_preset.data.source.as_str()), (256, "demo"));
    let file = Config::from_toml("preset = \"demo\"\n[method]\nname = \"byol\"\n", "my.toml").unwrap();
    assert_eq!(file, of_preset);
    for preset in Config::presets() {
        for method in MethodConfig::names() {
            Config::preset_for(preset, method).unwrap().validate().unwrap();
        }
    }
}
