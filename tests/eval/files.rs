//! Features as files.

use std::fs;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{ListAccessor, RowAccessor};
use simsiam::data::{ImageSet, Images};
use simsiam::eval::{FeatureTable, neighbours_picture, write_embedding, write_projector};

use crate::subject::Result;

#[test]
fn an_embedding_is_the_same_in_every_file() -> Result {
    let images = Images::new(2, 1, 1, vec![0; 8], Some(vec![1, 0, 2, 1]))?;
    let classes = ["plain", "with, comma"].map(str::to_owned);
    // Image 1 could not be read.
    let table =
        FeatureTable { width: 3, images: vec![0, 2, 3], values: (0..9).map(|v| v as f32 * 0.1 - 0.3).collect() };
    let folder = tempfile::tempdir()?;
    let [tensors, array] = ["a.safetensors", "b.NPY"].map(|name| folder.path().join(name));
    for file in [&tensors, &array] {
        write_embedding(&table, &images, &classes, file)?;
    }
    let bytes = fs::read(&tensors)?;
    let read = safetensors::SafeTensors::deserialize(&bytes)?;
    let features = read.tensor("features")?;
    assert_eq!(features.shape(), [3, 3]);
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(features.data()), table.values);
    let labels = read.tensor("labels")?;
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, i64>(labels.data()), [1, 2, 1]);
    let bytes = fs::read(&array)?;
    // As numpy pads it.
    assert!((bytes.len() - 4 * table.values.len()).is_multiple_of(64));
    let npy = npyz::NpyFile::new(&bytes[..])?;
    assert_eq!(npy.shape(), [3, 3]);
    assert_eq!(npy.into_vec::<f32>()?, table.values);
    let names = fs::read_to_string(folder.path().join("a.csv"))?;
    assert_eq!(names, fs::read_to_string(folder.path().join("b.csv"))?);
    let expected = [
        "row,image,name,label,class",
        "0,0,image 0,1,\"with, comma\"",
        "1,2,image 2,2,class 2",
        "2,3,image 3,1,\"with, comma\"",
    ];
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);
    let parquet = folder.path().join("d.parquet");
    write_embedding(&table, &images, &classes, &parquet)?;
    assert!(!folder.path().join("d.csv").exists(), "it holds the names itself");
    let mut rows =
        SerializedFileReader::new(fs::File::open(&parquet)?)?.get_row_iter(None)?.collect::<Vec<_>>().into_iter();
    for (values, (image, label, class)) in
        table.values.chunks(3).zip([(0, 1, "with, comma"), (2, 2, "class 2"), (3, 1, "with, comma")])
    {
        let row = rows.next().ok_or("a row an image")??;
        let names: Vec<&String> = row.get_column_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["image", "name", "label", "class", "features"]);
        assert_eq!((row.get_long(0)?, row.get_string(1)?), (image, &format!("image {image}")));
        assert_eq!((row.get_long(2)?, row.get_string(3)?.as_str()), (label, class));
        let features = row.get_list(4)?;
        let read =
            (0..features.len()).map(|at| features.get_float(at)).collect::<std::result::Result<Vec<f32>, _>>()?;
        assert_eq!(read, values);
    }
    assert!(rows.next().is_none());
    let error = write_embedding(&table, &images, &classes, &folder.path().join("c.txt"));
    assert!(error.is_err_and(|e| e.to_string().contains(".safetensors, .npy or .parquet")));
    Ok(())
}

/// The pixel in the middle of every cell of a grid.
fn middles(png: &[u8], side: u32) -> Result<Vec<u8>> {
    let image = image::load_from_memory(png)?.into_rgb8();
    let cells = |of: u32| (0..of / side).map(move |cell| cell * side + side / 2);
    Ok(cells(image.height())
        .flat_map(|y| cells(image.width()).map(move |x| (x, y)))
        .map(|(x, y)| image[(x, y)][0])
        .collect())
}

#[test]
fn the_embedding_projector_has_a_line_and_a_picture_a_point() -> Result {
    // Images of a colour each: number 1 could not be read, and of the others 0 and 3 are alike.
    let images: Arc<dyn ImageSet> = Arc::new(Images::new(1, 1, 1, vec![10, 20, 30, 40], Some(vec![1, 0, 2, 1]))?);
    let classes = ["plain", "with\ttab"].map(str::to_owned);
    let table = FeatureTable { width: 2, images: vec![0, 2, 3], values: vec![1.0, 0.25, -2.0, 0.1, 30.0, 9.0] };
    let parent = tempfile::tempdir()?;
    let folder = parent.path().join("new/folder");
    assert_eq!(write_projector(&table, &images, &classes, "backbone", &folder)?, 3);
    let read = |name: &str| fs::read_to_string(folder.join(name));
    assert_eq!(read("features.tsv")?, "1\t0.25\n-2\t0.1\n30\t9\n");
    assert_eq!(
        read("metadata.tsv")?,
        "name\tclass\nimage 0\twith\u{fffd}tab\nimage 2\tclass 2\nimage 3\twith\u{fffd}tab\n"
    );
    assert!(read("projector_config.pbtxt")?.contains("single_image_dim: 64"));
    assert_eq!(middles(&fs::read(folder.join("sprite.png"))?, 64)?, [10, 30, 40, 255]);
    // A row each: the image, the nearest, the other.
    assert_eq!(middles(&neighbours_picture(&table, &images)?, 96)?, [10, 40, 30, 30, 40, 10, 40, 10, 30]);
    Ok(())
}
