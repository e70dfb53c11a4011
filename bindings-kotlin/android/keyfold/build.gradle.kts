import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
    id("maven-publish")
}

group = "io.keyfold"
version = "0.1.0"

val repository = rootDir.resolve("../..")
val made = layout.buildDirectory.dir("keyfold")

// The glue, and the native library for each ABI: cargo, the NDK and cargo-ndk make them.
val native = tasks.register<Exec>("native") {
    workingDir(repository)
    commandLine("cargo", "xtask", "android", "--out", made.get().asFile.path)
    // cargo knows best what is up to date.
    outputs.upToDateWhen { false }
    outputs.dir(made)
}

android {
    namespace = "io.keyfold.android"
    compileSdk = 36
    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
        // java.time and java.nio.file are in Android since API 26.
        isCoreLibraryDesugaringEnabled = true
    }
    sourceSets["main"].apply {
        kotlin.srcDirs("src/main/kotlin", "../../kotlin/core/src/main/kotlin", made.map { it.dir("kotlin") })
        jniLibs.srcDirs(made.map { it.dir("jniLibs") })
    }
    // They are stripped already.
    packaging { jniLibs { keepDebugSymbols += "**/libkeyfold_uniffi.so" } }
    buildFeatures { prefabPublishing = false }
    publishing { singleVariant("release") { withSourcesJar() } }
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_11
        freeCompilerArgs.add("-Xjvm-default=all")
    }
}

tasks.named("preBuild") { dependsOn(native) }

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.11.0")
    implementation("net.java.dev.jna:jna:5.19.1@aar")
    coreLibraryDesugaring("com.android.tools:desugar_jdk_libs_nio:2.1.5")
}

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "keyfold-android"
            afterEvaluate { from(components["release"]) }
        }
    }
}
